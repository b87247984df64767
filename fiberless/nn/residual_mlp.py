"""`ResidualMLP`: two linear layers beside the identity, pre-normalised; it begins as the identity."""

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["ResidualMLP"]


class ResidualMLP(nn.Module):
    """x + W₂ SiLU(W₁ LayerNorm(x)), with W₂ = 0 at first.

    Parameters
    ----------
    width, hidden : channels of x, and between the layers

    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, hidden)
        self.contract = nn.Linear(hidden, width)
        nn.init.zeros_(self.contract.weight)
        nn.init.zeros_(self.contract.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Transform x (..., width)."""
        change: Tensor = self.contract(F.silu(self.expand(self.norm(x))))
        return x + change
