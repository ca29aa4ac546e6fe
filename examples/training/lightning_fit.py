"""Learn a straight line with Lightning."""

from __future__ import annotations

import lightning.pytorch as pl
import torch

from ecoia_integrations.lightning import EcoiaCallback


class Line(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        x, y = batch
        return torch.nn.functional.mse_loss(self.layer(x), y)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def main() -> None:
    x = torch.linspace(0, 1, 100).reshape(-1, 1)
    data = torch.utils.data.TensorDataset(x, 2 * x + 1)
    trainer = pl.Trainer(
        max_epochs=3, callbacks=[EcoiaCallback(service="vadore")],
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Line(), torch.utils.data.DataLoader(data, batch_size=16, shuffle=True))  # 300 units: 100 samples, 3 times


if __name__ == "__main__":
    main()
