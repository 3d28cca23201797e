"""Generated cities: streets with exact distances, and the picture that a satellite would take."""
