"""What line ratios say of the gas: classes, abundances, reddening, star formation."""

__all__: list[str] = []
