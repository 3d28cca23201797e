from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import pearsonr, spearmanr, wasserstein_distance
from skimage.metrics import normalized_root_mse, structural_similarity

from core.errors import AssayError
from tasks.circuitnet import metrics, predictors

Map = NDArray[np.float64]

# The official code's own values for `four_maps` (CircuitNet utils/metrics.py with OpenCV, SciPy and
# scikit-image), as the specification of this task records them.
OFFICIAL = {
    "nrms": [0.09999628173767469, 0.3949687567511479, 0.05, np.nan],
    "ssim": [0.2295985642340799, 0.046936904444509, 5.102502297372684e-05, 1.0],
    "emd": [0.0008485317230224609, 0.006408214569091797, 0.0077362060546875, 0.0],
    "emd_true": [0.026177439970128676, 0.33337635713465075, 0.5056921267041973, 0.0],
}


def four_maps() -> tuple[Map, Map]:
    """Smooth noise and a noisy copy; thresholded; against zeros; zeros against zeros."""
    rng = np.random.default_rng(0)
    labels, preds = [], []
    for i in range(4):
        t = gaussian_filter(rng.random((256, 256)), 6)
        t = (t - t.min()) / (t.max() - t.min())
        p = np.clip(t + rng.normal(0, 0.1, t.shape), 0, 1)
        if i == 1:
            t[t < 0.6] = 0
        if i >= 2:
            t = np.zeros_like(t)
        if i == 3:
            p = t
        labels.append(t)
        preds.append(p)
    return np.stack(labels), np.stack(preds)


def some_maps(seed: int, shape: tuple[int, int], count: int = 3) -> tuple[Map, Map]:
    """Sparse labels and rough predictions of them; not square on purpose."""
    rng = np.random.default_rng(seed)
    t = np.stack([gaussian_filter(rng.normal(size=shape), 2) for _ in range(count)])
    t = np.clip(4 * t, 0, 1)
    return t, np.clip(0.6 * t + 0.3 * rng.random(t.shape), 0, 1)


def score(t: Map, p: Map, *names: str) -> dict[str, Map]:
    return metrics.score(torch.from_numpy(t), torch.from_numpy(p), names or tuple(metrics.METRICS))


def bytes_of(a: Map) -> NDArray[np.uint8]:
    return np.rint(np.clip(a.astype(np.float32), 0, 1) * np.float32(255)).astype(np.uint8)


def test_the_official_values_to_1e_9() -> None:
    found = score(*four_maps())
    for name, wanted in OFFICIAL.items():
        np.testing.assert_allclose(found[name], wanted, rtol=0, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(("seed", "shape"), [(0, (48, 40)), (1, (64, 64)), (2, (31, 77))])
def test_each_metric_against_another_library(seed: int, shape: tuple[int, int]) -> None:
    t, p = some_maps(seed, shape)
    found = score(t, p)
    for i, (a, b) in enumerate(zip(bytes_of(t), bytes_of(p), strict=True)):
        wanted = {
            "nrms": normalized_root_mse(a, b, normalization="min-max"),
            "ssim": structural_similarity(
                a,
                b,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                data_range=255,
                full=True,
            )[1][5:-5, 5:-5].mean(),
            "emd": official_emd(a, b),
            "emd_true": wasserstein_distance(a.ravel() / 255, b.ravel() / 255),
            "pearson": pearsonr(a.ravel().astype(float), b.ravel().astype(float)).statistic,
            "spearman": spearmanr(a.ravel(), b.ravel()).statistic,
        }
        for name, value in wanted.items():
            assert found[name][i] == pytest.approx(value, abs=1e-9), name


def official_emd(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Pixel by pixel, as the definition reads."""
    frequencies = []
    for image in (a, b):
        share = np.bincount(image.ravel(), minlength=256) / image.size
        equal = [int(255 * sum(share[: v + 1])) for v in range(256)]
        mapped = [equal[v] for v in image.ravel()]
        frequencies.append(np.bincount(mapped, minlength=256) / image.size)
    return float(wasserstein_distance(*frequencies))


@pytest.mark.parametrize("hot", metrics.HOT)
def test_hotspots_against_counting(hot: float) -> None:
    t, p = some_maps(3, (40, 32), 4)
    found = score(t, p, f"f1_{100 * hot:.0f}", f"ap_{100 * hot:.0f}")
    for i in range(4):
        a, b = bytes_of(t[i]).ravel() / 255, bytes_of(p[i]).ravel() / 255
        hit = np.sum((a > hot) & (b > hot))
        f1 = hit / (hit + (np.sum((a > hot) & (b <= hot)) + np.sum((a <= hot) & (b > hot))) / 2)
        ap, recall = 0.0, 0.0
        for level in sorted(set(b), reverse=True):
            named = b >= level
            more = np.sum(named & (a > hot)) / np.sum(a > hot)
            ap += (more - recall) * np.mean(a[named] > hot)
            recall = more
        assert found[f"f1_{100 * hot:.0f}"][i] == pytest.approx(f1, abs=1e-12)
        assert found[f"ap_{100 * hot:.0f}"][i] == pytest.approx(ap, abs=1e-12)


@pytest.mark.parametrize("share", metrics.PEAKS)
def test_peak_nrms_against_sorting(share: float) -> None:
    t, p = some_maps(4, (50, 60), 4)
    found = score(t, p, f"peak_nrms_{1000 * share:.0f}pm")
    for i, value in enumerate(found[f"peak_nrms_{1000 * share:.0f}pm"]):
        a, b = bytes_of(t[i]).ravel().astype(float), bytes_of(p[i]).ravel().astype(float)
        cut = np.sort(a)[-round(share * a.size)]
        error = np.sqrt(np.mean((a - b)[a >= cut] ** 2))
        assert value == pytest.approx(error / (a.max() - a.min()), abs=1e-12)


def test_a_map_without_hotspots_has_no_f1() -> None:
    t, p = np.zeros((1, 16, 16)), np.zeros((1, 16, 16))
    found = score(t, p)
    undefined = {name for name, value in found.items() if np.isnan(value[0])}
    assert undefined == {
        "nrms", "pearson", "spearman", "peak_nrms",
        *(f"peak_nrms_{1000 * s:.0f}pm" for s in metrics.PEAKS),
        *(f"{m}_{100 * h:.0f}" for m in ("f1", "ap") for h in metrics.HOT),
    }  # fmt: skip


def test_a_batch_is_its_maps_one_by_one() -> None:
    t, p = some_maps(5, (32, 24), 5)
    together = score(t, p)
    for i in range(5):
        for name, value in score(t[i : i + 1], p[i : i + 1]).items():
            assert together[name][i] == value[0], name


def test_compat_drops_ones_and_strict_does_not() -> None:
    values = np.array([1.0, 0.5, 0.7, np.nan])
    compat = metrics.aggregate(values, "compat")
    assert compat == pytest.approx(metrics.Mean(1.2 / 3, 3, 1, 1))
    assert metrics.aggregate(values, "strict").value == pytest.approx(2.2 / 3)
    assert metrics.aggregate(values, "strict", undefined=0.0).value == pytest.approx(2.2 / 4)
    found = metrics.summary({"nrms": values, "ssim": values}, "strict")
    assert found["nrms"].value == pytest.approx(2.2 / 4)
    assert found["ssim"].value == pytest.approx(2.2 / 3)
    assert np.isnan(metrics.aggregate(np.array([np.nan]), "compat").value)


@pytest.mark.parametrize(
    ("label", "pred", "said"),
    [
        (torch.zeros(2, 16, 16), torch.zeros(2, 16, 15), "Both are N X Y"),
        (torch.zeros(16, 16), torch.zeros(16, 16), "Both are N X Y"),
        (torch.full((1, 16, 16), torch.nan), torch.zeros(1, 16, 16), "label has values"),
        (torch.zeros(1, 16, 16), torch.full((1, 16, 16), torch.inf), "prediction has values"),
        (torch.zeros(1, 10, 16), torch.zeros(1, 10, 16), "at least 11x11"),
    ],
)
def test_maps_that_cannot_be_compared(label: torch.Tensor, pred: torch.Tensor, said: str) -> None:
    with pytest.raises(AssayError, match=said):
        metrics.score(label, pred)


def test_an_unknown_metric_is_named() -> None:
    with pytest.raises(AssayError, match=r"no metric 'nrmse'\. Did you mean 'nrms'"):
        score(*some_maps(0, (16, 16)), "nrmse")


def test_trivial_predictors() -> None:
    rng = torch.Generator().manual_seed(0)
    features, labels = torch.rand(4, 3, 8, 8, generator=rng), torch.rand(5, 1, 8, 8, generator=rng)
    found = {n: p(features) for n, p in predictors.trivial(labels).items()}
    assert set(found) == {"zero map", "mean map", "RUDY"}
    assert not found["zero map"].any()
    assert torch.equal(found["RUDY"][:, 0], features[:, 1])
    for each in found["mean map"]:
        torch.testing.assert_close(each, labels.sum(0) / 5)
    with pytest.raises(AssayError, match="needs a training label"):
        predictors.trivial(labels[:0])
