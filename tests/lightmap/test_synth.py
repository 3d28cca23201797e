from __future__ import annotations

import math

import numpy as np

from tasks.lightmap.synth import City, Sun, shadows, sun


def test_a_city_is_the_same_every_time_and_another_seed_another_city() -> None:
    one, same, other = City(40, 33, 5).frame(9.5), City(40, 33, 5).frame(9.5), City(40, 33, 6)
    assert one.shape == (33, 40, 3)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other.frame(9.5))


def test_noon_is_brighter_than_night_and_a_sunlit_roof_is_redder_in_the_evening() -> None:
    city = City(60, 48, 0)
    night, noon, evening = (city.frame(t).astype(float) for t in (0, 12, 17.5))
    assert noon.mean() > 1.5 * night.mean()
    roof = city.heights == city.heights.max()  # nothing shades the tallest house
    redness = [f[roof][:, 0].mean() / f[roof][:, 2].mean() for f in (noon, evening)]
    assert redness[1] > redness[0]


def test_the_sun_is_highest_in_the_south_at_noon_and_symmetric_about_it() -> None:
    noon = sun(12.0)
    assert math.isclose(math.degrees(noon.elevation), 90 - 38 + 14)
    assert math.isclose(abs(noon.azimuth), math.pi)
    morning, evening = sun(9.0), sun(15.0)
    assert math.isclose(morning.elevation, evening.elevation)
    assert 0 < morning.azimuth < math.pi  # east
    assert math.isclose(morning.azimuth, -evening.azimuth)


def test_a_wall_throws_its_shadow_away_from_the_sun_and_as_long_as_geometry_says() -> None:
    heights = np.zeros((1, 60))
    heights[0, 30] = 8.0
    lit = shadows(heights, Sun(math.atan(0.5), math.pi / 2))[0]  # in the east, rising 1 in 2
    assert np.flatnonzero(lit < 0.99).tolist() == list(range(15, 30))  # 8 high: 16 cells long
    np.testing.assert_allclose(lit[[14, 15, 16, 29, 30, 31]], [1, 0.5, 0, 0, 1, 1], atol=1e-9)
