from core import compat

compat.install()
