"""Fine-tune a small BERT with random weights on twenty sentences of numbers: nothing is downloaded."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

from ecoia_integrations.transformers import EcoiaCallback


class Sentences(torch.utils.data.Dataset):
    """Sentences that begin with 1 are of class 0, those that begin with 2 of class 1."""

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> dict[str, Any]:
        label = index % 2
        return {
            "input_ids": torch.tensor([1 + label, 3, 4, 5]),
            "attention_mask": torch.ones(4, dtype=torch.long),
            "labels": label,
        }


def main() -> None:
    config = BertConfig(
        vocab_size=10, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=8
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=3, per_device_train_batch_size=8, report_to=[], save_strategy="no", disable_tqdm=True
        )
        trainer = Trainer(
            BertForSequenceClassification(config),
            arguments,
            train_dataset=Sentences(),
            callbacks=[EcoiaCallback(service="vadore")],
        )
        trainer.train()  # 60 units: 20 samples, 3 times


if __name__ == "__main__":
    main()
