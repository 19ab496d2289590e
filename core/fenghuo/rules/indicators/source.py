"""How a file of indicators is to be read: what a rule or the configuration may say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from fenghuo.config import Section

Column = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Format = Literal["auto", "plain", "csv", "stix", "misp"]


class Columns(Section):
    """The names of the columns of a CSV file, where they are not the usual ones."""

    value: Column | None = Field(default=None, description="The indicator: `value`, `indicator`, `ioc`, … by default.")
    type: Column | None = Field(default=None, description="What it is: `type`, `indicator_type`, … by default.")
    since: Column | None = Field(default=None, description="From when it counts: `valid_from` by default.")
    expires: Column | None = Field(
        default=None, description="Until when it counts: `expires`, `valid_until`, … by default."
    )
    confidence: Column | None = Field(default=None, description="0 to 100: `confidence`, `score` by default.")
    description: Column | None = Field(
        default=None, description="What is known of it: `description`, `comment`, `threat`, … by default."
    )


class ListSource(Section):
    """A list of indicators."""

    file: Annotated[str, StringConstraints(min_length=1, max_length=1_000)] = Field(
        description="Its file; a relative path starts at the folder of the file that names it."
    )
    name: Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\r\n]*$")] = Field(
        default="", description="What alerts call it; the file's name if not said."
    )
    format: Format = Field(
        default="auto", description="How it is written; by default by its ending (`.csv`, `.json`) and its content."
    )
    type: Literal["auto", "domain", "ip", "hash", "url"] = Field(
        default="auto", description="What all its entries are; what is none is refused."
    )
    subdomains: bool = Field(default=True, description="Whether a domain stands for the names below it too.")
    urls: Literal["exact", "prefix"] = Field(
        default="exact", description="`prefix`: a URL stands for everything below its host and path, by any scheme."
    )
    confidence: Annotated[int, Field(ge=0, le=100)] | None = Field(
        default=None, description="The confidence of entries that tell none."
    )
    columns: Columns = Field(default=Columns(), description="The columns of a CSV file.")
    delimiter: Literal["auto", ",", ";", "\t", "|"] = Field(
        default="auto", description="What stands between the columns of a CSV file."
    )

    @property
    def path(self) -> Path:
        return Path(self.file)

    @property
    def title(self) -> str:
        return self.name or self.path.stem

    def below(self, folder: Path) -> ListSource:
        """The same list, its file resolved from a folder."""
        return self.model_copy(update={"file": str(folder / self.file)})
