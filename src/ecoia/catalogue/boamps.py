"""The ``boamps`` block of a service: facts of a BoAmps report that no meter knows.

BoAmps (Boavizta) is a format for sharing energy measures of AI tasks. Values are written as they go into it; names here carry
their unit. Everything is optional: the export leaves out what is missing here, and lists it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from ecoia.catalogue.fields import Model, Role, Text, Zone
from ecoia.semconv import PHASES

if TYPE_CHECKING:
    Phase = str
else:
    Phase = Literal[PHASES]  # a checker of types cannot read a tuple's values

DataType = Literal["tabular", "audio", "boolean", "image", "video", "object", "text", "token", "word", "other"]
DataFormat = Literal[
    "arrow", "csv", "flac", "html", "jpeg", "json", "mp3", "mpeg4", "ods", "ogg", "other", "parquet", "pdf", "png", "sql",
    "text", "tiff", "wav", "webp", "xls", "xlsx", "xml", "yaml",
]  # fmt: skip
"""Formats of BoAmps that AI services meet; any other is ``other``."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Algorithm(Model):
    """An approach or a model of the task. ``foundation_model`` names one that is used without training."""

    name: Text | None = None
    foundation_model: Text | None = None
    type: Text | None = None
    uri: Text | None = None
    foundation_model_uri: Text | None = None
    training_type: Text | None = None
    parameters_billions: Positive | None = None
    framework: Text | None = None
    framework_version: Text | None = None
    class_path: Text | None = None
    layers: Count | None = None
    epochs: Count | None = None
    optimizer: Text | None = None
    quantization: Text | None = None

    @model_validator(mode="after")
    def _check_named(self) -> Algorithm:
        if not (self.name or self.foundation_model or self.type):
            raise ValueError("an algorithm needs a 'name', 'foundation_model' or 'type': write one of them")
        return self


class Dataset(Model):
    """Data that the task reads or writes; for inference, the data of an average request. ``owner`` is never a person."""

    usage: Literal["input", "output"]
    type: DataType
    format: DataFormat | None = None
    size_gb: Positive | None = None
    quantity: Positive | None = None
    shape: Text | None = None
    source: Literal["public", "private", "other"] | None = None
    source_uri: Text | None = None
    owner: Role | None = None


class HardwarePart(Model):
    """Equal pieces of hardware that the task runs on. ``share`` is the task's share of them."""

    type: Text
    count: Count
    name: Text | None = None
    memory_gb: Positive | None = None
    manufacturer: Text | None = None
    family: Text | None = None
    series: Text | None = None
    share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None


class Infrastructure(Model):
    """The infrastructure that the task runs on."""

    type: Literal["publicCloud", "privateCloud", "onPremise", "other"]
    components: Annotated[tuple[HardwarePart, ...], Field(min_length=1)]
    cloud_provider: Text | None = None
    cloud_instance: Text | None = None
    cloud_service: Text | None = None


class OperatingSystem(Model):
    """The operating system of the infrastructure."""

    os: Text
    distribution: Text | None = None
    distribution_version: Text | None = None


class Software(Model):
    """The programming language of the task."""

    language: Text
    version: Text | None = None


class TaskDescription(Model):
    """The description of a task."""

    task_family: Text | None = None
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] | None = None
    datasets: Annotated[tuple[Dataset, ...], Field(min_length=1)] | None = None
    infrastructure: Infrastructure | None = None
    system: OperatingSystem | None = None
    software: Software | None = None
    country: Zone | None = None
    estimated_accuracy: Literal["veryPoor", "poor", "average", "good", "veryGood"] | None = None
    description: Text | None = None


class PhaseDescription(TaskDescription):
    """The description of one phase. Each field given here replaces the service's own."""

    phase: Phase


class BoAmps(TaskDescription):
    """The block of a service: its tasks, and the terms on which their reports are shared."""

    licence: Text | None = None
    confidentiality: Literal["public", "internal", "confidential", "secret"] | None = None
    division: Text | None = None
    project: Text | None = None
    phases: tuple[PhaseDescription, ...] = ()

    @model_validator(mode="after")
    def _check_phases_differ(self) -> BoAmps:
        twice = [phase for phase, times in Counter(each.phase for each in self.phases).items() if times > 1]
        if twice:
            raise ValueError(f"'phases' describes {', '.join(twice)} more than once: write each phase once")
        return self

    def of(self, phase: str) -> TaskDescription:
        """Return the description of a phase: its own fields, else the service's.

        Args:
            phase: Phase, as BoAmps names it.
        """
        own = [each for each in self.phases if each.phase == phase]
        fields = {
            name: value for source in (self, *own) for name in TaskDescription.model_fields if (value := getattr(source, name))
        }
        return TaskDescription(**fields)
