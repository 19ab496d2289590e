"""`fenghuo rules explain`: a rule in plain words, English and Chinese."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fenghuo.config import format_duration
from fenghuo.rules.files.section import Party, RuleSection
from fenghuo.rules.language.expression import VARIABLES, ExpressionError, parse_condition
from fenghuo.rules.rule import Overlay, Rule
from fenghuo.rules.tools.catalog import (
    CLAUSES,
    DATASETS,
    FIRES,
    INPUTS,
    KEYS_ZH,
    KINDS,
    MEASUREMENTS,
    TECHNIQUES,
    VALUES,
    clause_of,
    technique_of,
)
from fenghuo.rules.tools.costs import COSTS, Cost
from fenghuo.rules.tools.wording import Language, in_words, shown

if TYPE_CHECKING:
    from fenghuo.rules.detection import Node as Detection
    from fenghuo.rules.runtime.observe import Selection


LANGUAGES: tuple[Language, ...] = ("en", "zh")

HEADINGS: Mapping[str, tuple[str, str]] = {
    "about": ("What it is about", "用途"),
    "watches": ("What it does", "做法"),
    "data": ("From what data", "数据来源"),
    "which": ("Which of them", "关注对象"),
    "exceptions": ("But not", "例外"),
    "groups": ("Told apart by", "分组"),
    "fires": ("When it fires", "触发条件"),
    "keys": ("With", "参数"),
    "holds": ("How long it must be so", "持续时间"),
    "clears": ("When it is over", "恢复条件"),
    "level": ("Level", "级别"),
    "waits": ("Waits for others", "抑制"),
    "when": ("At what times", "时段"),
    "spacing": ("How often it tells", "告警频率"),
    "memory": ("Memory", "内存上限"),
    "runs": ("Where it runs", "运行位置"),
    "overlays": ("Changed by overlays", "本地调整"),
    "parties": ("Who", "当事方"),
    "attack": ("ATT&CK", "ATT&CK 技术"),
    "mlps": ("MLPS 2.0 (GB/T 22239-2019)", "等保 2.0（GB/T 22239-2019）"),
    "false_alarms": ("When it fires though nothing is wrong", "常见误报"),
    "runbook": ("What to do", "处置建议"),
    "references": ("Read more", "参考"),
    "cost": ("Cost so far", "开销"),
}
"""What is told of a rule, in order."""

_TOLD_ELSEWHERE = frozenset(
    {"kind", "data", "where", "exceptions", "dataset", "logsource", "detection", "condition", "clear", "hold", "steps"}
)
_SHORT = 40
"""Longer data are called "the value" in conditions."""
_LEVELS_ZH = {"informational": "提示", "low": "低", "medium": "中", "high": "高", "critical": "严重"}


def explain(
    rule: Rule, language: Language, cost: Cost | None = None, overlays: tuple[Overlay, ...] = ()
) -> dict[str, str]:
    """What there is to tell, by the keys of `HEADINGS`; several lines where there are several things."""
    teller = _Teller(rule, language, cost, overlays)
    told = {key: "\n".join(getattr(teller, key)()) for key in HEADINGS}
    return {key: text for key, text in told.items() if text}


class _Teller:
    """Tells one rule in one language; a method for each of `HEADINGS`."""

    def __init__(self, rule: Rule, language: Language, cost: Cost | None, overlays: tuple[Overlay, ...]) -> None:
        self._rule = rule
        self._section: RuleSection = rule.section
        self._language: Language = language
        self._cost = cost
        self._overlays = overlays
        observer = rule.observer
        self._is_of_events = observer is not None and observer.data is None
        self._selections: tuple[Selection, ...] = observer.selections if observer else ()

    def _say(self, english: str, chinese: str) -> str:
        return english if self._language == "en" else chinese

    def _key(self, name: str) -> Any:
        return getattr(self._section, name, None)

    def about(self) -> Iterator[str]:
        section = self._section
        description = self._say(section.description, section.description_zh or section.description)
        if description:
            yield description.strip()

    def watches(self) -> Iterator[str]:
        names = KINDS.get(self._rule.kind)
        field = type(self._section).model_fields.get("kind")
        told = self._say(*names) if names else (field.description or "" if field else "")
        yield f"{self._rule.kind}: {told}" if self._language == "en" else f"{self._rule.kind}：{told}"

    # Data

    def data(self) -> Iterator[str]:
        if self._is_of_events:
            yield from self._events()
            return
        data = self._key("data")
        measurement = self._section.measurement
        if data:
            yield self._say(f"the value `{data}` of readings", f"读数中的 `{data}`")
        fields = ", ".join(f"`{name}`" for name in self._rule.body.needs if name not in (data or ""))
        if fields:
            yield self._say(f"readings must have {fields} too", f"读数还须含 {fields}")
        if measurement:
            yield self._say(f"of the measurement `{measurement}`", f"测量名为 `{measurement}`")
            yield self._inputs(MEASUREMENTS.get(measurement, ()))

    def _events(self) -> Iterator[str]:
        datasets = list(self._key("dataset") or ())
        for dataset in datasets:
            inputs = self._inputs(DATASETS.get(dataset, ()))
            yield self._say(f"events of the dataset `{dataset}`; {inputs}", f"数据集 `{dataset}` 的事件；{inputs}")
        source = self._key("logsource")
        if source is not None:
            told = ", ".join(f"{key}: {value}" for key, value in source.model_dump(exclude_defaults=True).items())
            yield self._say(f"events of the log source {told}", f"日志来源 {told}")
        rules = [name for selection in self._selections for name in selection.rules]
        if rules:
            names = ", ".join(dict.fromkeys(rules))
            yield self._say(f"alerts of the rules {names}", f"规则 {names} 的告警")
        if not self._selections:
            yield self._say("nothing of its own: other rules count what it finds", "自身不告警，由其他关联规则统计")
        elif not datasets and source is None and not rules:
            yield self._say("events of whatever dataset, if they meet this", "符合下列条件的任何数据集的事件")

    def _inputs(self, inputs: tuple[str, ...]) -> str:
        """Which inputs send it, and whether there are any."""
        if not inputs:
            return self._say(
                "no input of Fenghuo's own sends it; it must come from elsewhere", "本产品没有输入提供，须由外部送入"
            )
        there = [name for name in inputs if name in INPUTS]
        names = self._say(" or ", "、").join(there or inputs)
        if there:
            return self._say(f"from the input {names}", f"由输入 {names} 提供")
        return self._say(
            f"from the input {names}, which this version's agent has not: until then by replay or from another sender",
            f"由输入 {names} 提供；本版本的探针尚无此输入，可用 replay 回放或由外部送入",
        )

    # What it is about

    def which(self) -> Iterator[str]:
        steps = self._key("steps")
        if steps:
            yield from self._steps(steps)
        elif self._is_of_events:
            yield from (self._detection(selection) for selection in self._selections if selection.when is not None)
        else:
            yield from (self._matches(key, values) for key, values in self._section.where.items())

    def _steps(self, steps: list[Any]) -> Iterator[str]:
        for number, (step, selection) in enumerate(zip(steps, self._selections, strict=False), 1):
            what = ", ".join(selection.rules) if selection.rules else self._detection(selection)
            more: list[str] = []
            if step.forbidden:
                more.append(self._say("must not happen", "不得发生"))
            if step.count > 1:
                more.append(self._say(f"{step.count} times", f"{step.count} 次"))
            if step.within:
                span = format_duration(step.within)
                more.append(self._say(f"within {span}", f"{span} 之内"))
            suffix = self._say(f" ({', '.join(more)})", f"（{'，'.join(more)}）") if more else ""
            yield f"{number}. {step.name or f'step{number}'}: {what}{suffix}"

    def _detection(self, selection: Selection) -> str:
        from fenghuo.rules.detection.describe import describe  # noqa: PLC0415 — only rules over events need it

        if selection.when is None:
            return ""
        node = _without_dataset(selection.when) if self._key("dataset") else selection.when
        return describe(node, self._language) if node is not None else self._say("all of them", "全部")

    def _matches(self, key: str, values: list[str]) -> str:
        choices = self._say(" or ", " 或 ").join(values[:12])
        more = len(values) - 12
        if more > 0:
            choices += self._say(f" or {more} more", f" 等另外 {more} 个")
        return self._say(f"{key} is {choices}", f"{key} 为 {choices}")

    def exceptions(self) -> Iterator[str]:
        if self._is_of_events and not self._key("steps"):
            return  # told with the condition
        joined = self._say(" and ", " 且 ")
        for matches in self._section.exceptions:
            yield joined.join(self._matches(key, values) for key, values in matches.items())

    def groups(self) -> Iterator[str]:
        group_by = self._section.group_by
        if group_by:
            yield ", ".join(group_by)
        elif group_by is None and not self._is_of_events:
            yield self._say("all labels of a reading", "读数的全部标签")
        else:
            yield self._say("nothing: all are one group", "不分组")

    # When

    def fires(self) -> Iterator[str]:
        condition = self._key("condition")
        if condition:
            yield self._when(condition)
        else:
            yield self._say(*FIRES.get(self._rule.kind, ("at once", "立即")))

    def _when(self, text: str) -> str:
        """A condition in words, and as it is written."""
        written, _, hold = text.partition(" for ")
        try:
            words = in_words(parse_condition(written, frozenset(VARIABLES)), self._language, self._names)
        except ExpressionError:
            return self._say(f"when {text}", f"`{text}` 成立")
        if hold:
            return self._say(f"when {words}, for {hold} (`{text}`)", f"{words}，持续 {hold}（`{text}`）")
        return self._say(f"when {words} (`{text}`)", f"{words}（`{text}`）")

    @property
    def _names(self) -> Mapping[str, tuple[str, str]]:
        """What `value` and others mean in this rule."""
        data: str = self._key("data") or ""
        is_short = 0 < len(data) <= _SHORT
        english, chinese = VALUES.get(self._rule.kind, ("`{}`", "`{}`") if is_short else ("the value", "该值"))
        return {
            "value": (english.format(data), chinese.format(data)),
            "previous": ("the value before", "之前的值"),
            "factor": ("the factor to the other window", "与对比窗口之比"),
            "elapsed": ("the seconds since then", "其间的秒数"),
        }

    def keys(self) -> Iterator[str]:
        """The kind's own keys, as they are set."""
        own = type(self._section).model_fields
        for name, field in own.items():
            key = field.alias or name
            if (
                name in RuleSection.model_fields
                or name in _TOLD_ELSEWHERE
                or name not in self._section.model_fields_set
            ):
                continue
            value = shown(getattr(self._section, name), field)
            if self._language == "en":
                yield f"{key}: {value} — {field.description}"
            else:
                yield f"{key}（{KEYS_ZH[key]}）：{value}" if key in KEYS_ZH else f"{key}：{value}"

    def holds(self) -> Iterator[str]:
        if self._rule.holds.fire:
            yield format_duration(self._rule.holds.fire / 1000)
        elif self._rule.body.silence is not None:
            yield format_duration(self._rule.body.silence / 1000)

    def clears(self) -> Iterator[str]:
        clear, holds = self._key("clear"), self._rule.holds
        if clear:
            yield self._when(clear)
        elif holds.lasts is not None:
            span = format_duration(holds.lasts / 1000)
            yield self._say(f"{span} after the last time", f"最后一次之后 {span}")
        else:
            yield self._say("when the condition no longer holds", "条件不再成立时")
        if holds.forget and holds.lasts is None:
            span = format_duration(holds.forget / 1000)
            yield self._say(f"or when nothing was heard for {span}", f"或 {span} 没有任何数据")
        if holds.flap_changes:
            span, hold = format_duration(holds.flap_window / 1000), format_duration(holds.flap_hold / 1000)
            yield self._say(
                f"after {holds.flap_changes} changes in {span} only once it was quiet for {hold}",
                f"{span} 内变化 {holds.flap_changes} 次后，须平静 {hold} 才恢复",
            )

    def level(self) -> Iterator[str]:
        level = self._section.level
        if isinstance(level, str):
            yield self._level(level)
            return
        for name, condition in level.items():
            yield f"{self._level(name)}{self._say(' ', '：')}{self._when(condition)}"

    def _level(self, name: str) -> str:
        return self._say(name, f"{_LEVELS_ZH.get(name, name)}（{name}）")

    def waits(self) -> Iterator[str]:
        suppression = self._section.suppress_if
        if suppression:
            names, by = ", ".join(suppression.rules), ", ".join(suppression.by)
            yield self._say(
                f"while {names} is pending or fires for the same {by}", f"{names} 对同一 {by} 待定或触发期间不告警"
            )

    def when(self) -> Iterator[str]:
        schedule = self._key("schedule")
        if schedule:
            yield shown(schedule)

    def spacing(self) -> Iterator[str]:
        for key, english, chinese in (
            ("throttle", "an entity at most once in {}", "同一对象每 {} 最多告警一次"),
            ("repeat", "again every {} while it goes on", "持续期间每 {} 重复告警"),
        ):
            spacing = self._key(key)
            if spacing:
                told = self._say(english, chinese).format(format_duration(spacing.every))
                if spacing.up_to:
                    span = format_duration(spacing.up_to)
                    told += self._say(f", the time doubling up to {span}", f"，间隔逐次加倍，最长 {span}")
                yield f"{told}{self._say(f' (`{key}`)', f'（`{key}`）')}"

    def memory(self) -> Iterator[str]:
        groups = self._section.limits.groups
        yield self._say(
            f"at most {groups} groups; what is given up is counted", f"最多 {groups} 个分组；超出时淘汰并计数"
        )

    def runs(self) -> Iterator[str]:
        if self._section.runs == "collector":
            yield self._say("at the collector, over all agents", "采集端，覆盖全部探针")
        else:
            yield self._say("at each agent", "各探针")
        if not self._section.enabled:
            yield self._say(
                "opt-in: only where an overlay says `enabled: true`", "默认关闭：由本地调整 `enabled: true` 开启"
            )

    def overlays(self) -> Iterator[str]:
        for overlay in self._overlays:
            told = f"{overlay.place}: {'; '.join(overlay.changes)}"
            yield f"{told} ({overlay.reason})" if overlay.reason else told

    # For people

    def parties(self) -> Iterator[str]:
        for names, party in (
            (("culprit", "源头"), self._section.culprit),
            (("victim", "受影响对象"), self._section.victim),
        ):
            told = self._say(", ", "、").join(_party(party))
            if told:
                yield self._say(f"{names[0]}: {told}", f"{names[1]}：{told}")

    def attack(self) -> Iterator[str]:
        for tag in self._section.tags:
            technique = technique_of(tag)
            if technique:
                yield f"{technique} {self._named(TECHNIQUES, technique)}".strip()

    def mlps(self) -> Iterator[str]:
        for tag in self._section.tags:
            clause = clause_of(tag)
            if clause:
                yield f"{clause} {self._named(CLAUSES, clause)}".strip()

    def _named(self, names: Mapping[str, tuple[str, str]], key: str) -> str:
        return self._say(*names[key]) if key in names else ""

    def false_alarms(self) -> Iterator[str]:
        section = self._section
        yield from (
            section.falsepositives_zh
            if self._language == "zh" and section.falsepositives_zh
            else section.falsepositives
        )

    def runbook(self) -> Iterator[str]:
        runbook = self._section.runbook
        if runbook:
            yield self._say(runbook.en, runbook.zh).strip()

    def references(self) -> Iterator[str]:
        yield from self._section.references

    def cost(self) -> Iterator[str]:
        if self._cost is None:
            yield self._say(
                "not asked; say --metrics with the /metrics of a running collector, or a file of it",
                "未查询；用 --metrics 指定采集端的 /metrics 地址或其文件",
            )
            return
        values = self._cost.values
        if not values:
            yield self._say(f"{self._cost.source} does not know this rule", f"{self._cost.source} 中没有此规则")
            return
        number = {name: f"{value:g}" for name, value in values.items()}
        yield self._say(
            "{evaluations} evaluations, {matches} matches, {alerts} alert steps, {groups} groups now, {evictions} evicted, "
            "{late} late, {cpu} s of CPU",
            "评估 {evaluations} 次，命中 {matches} 次，告警 {alerts} 步，现有分组 {groups}，淘汰 {evictions}，迟到 {late}，"
            "CPU {cpu} 秒",
        ).format_map({**dict.fromkeys(COSTS, "0"), **number})


def _party(party: Party) -> list[str]:
    return [f"{name} `{field}`" for name, field in party.model_dump().items() if field]


def _without_dataset(node: Detection) -> Detection | None:
    """A condition without the one on the dataset, which is told before; None where nothing is left."""
    from fenghuo.rules.detection import Every, Test  # noqa: PLC0415 — only rules over events need it

    parts = node.parts if isinstance(node, Every) else (node,)
    others = [part for part in parts if not (isinstance(part, Test) and part.field == "event.dataset")]
    return Every(tuple(others)) if others else None
