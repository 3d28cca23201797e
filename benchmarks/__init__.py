"""Speed, as ratios against named peers within one run; results are kept in results/."""
