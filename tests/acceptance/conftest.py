from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # the first call imports scipy
settings.load_profile("untimed")
