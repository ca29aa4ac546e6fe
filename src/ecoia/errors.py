"""One visible tree of errors. Each message names the field, the value and the remedy."""

from __future__ import annotations


class EcoiaError(Exception):
    """Base of every error that ecoia raises on purpose.

    None is raised into measured code, except ``UsageError`` at the place of the mistake (when a function is decorated).

    Example:
        >>> import ecoia
        >>> try:
        ...     ecoia.track(service="Analyse CV")
        ... except ecoia.EcoiaError as error:
        ...     print(type(error).__name__)
        UsageError
    """


class UsageError(EcoiaError, ValueError):
    """A literal in the program is illegal: an unknown phase, a service id with forbidden characters.

    Example:
        >>> import ecoia
        >>> ecoia.track(service="analyse-cv", phase="serving")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ecoia.errors.UsageError: phase = 'serving': choose one of inception, data-preparation, training, ...
    """


class RulesError(UsageError):
    """A file of rules (``ecoia watch --rules``) cannot be used.

    The message has one line per mistake: file, rule, field, value and remedy.
    """


class SettingError(EcoiaError, ValueError):
    """A configured value is illegal.

    Args:
        name: Name of the setting.
        value: The illegal value.
        origin: Where it was written: a file's name, a variable, ``argument``.
        remedy: Text to write instead.
    """

    def __init__(self, name: str, value: object, origin: str, remedy: str) -> None:
        super().__init__(f"setting '{name}' = {value!r} (from {origin}): {remedy}")
        self.name, self.value, self.origin, self.remedy = name, value, origin, remedy


class CatalogueError(EcoiaError, ValueError):
    """A file of the catalogue is wrong. The message lists file:line, field and remedy."""


class WattmeterError(EcoiaError, ValueError):
    """The file of the setting ``wattmeter`` cannot be used. The message names the line, the value and the remedy."""


class FactorError(EcoiaError, LookupError):
    """No emission factor covers what was asked for."""


class FactorFileError(EcoiaError, ValueError):
    """A file of emission factors cannot be used. The message has one line per mistake: file:line, field, value and remedy."""


class JournalError(EcoiaError, OSError):
    """The journal's home cannot be used (read-only, full, not a folder)."""


class DeliveryError(EcoiaError):
    """The ledger cannot be reached or refuses a write. The journal keeps its records."""


class InstanceConflictError(DeliveryError):
    """Two journal homes claim one instance. The second is refused, and its records stay in its journal."""


class PublicationError(EcoiaError, ValueError):
    """A quarter cannot be published, or a published one cannot be read or differs from what was published."""


class DatasetError(EcoiaError):
    """A dataset (``ecoia export --to``) cannot be written or read, or differs from what its manifest says."""


class MissingExtraError(EcoiaError, ImportError):
    """A command needs a package of an extra that is not installed.

    Args:
        what: The command or feature that needs it: the subject of the message.
        package: The package.
        extra: The extra of ecoia that brings it.
    """

    def __init__(self, what: str, package: str, extra: str = "report") -> None:
        super().__init__(f"{what} needs '{package}', which is not installed here: pip install 'ecoia[{extra}]'")
