"""The declared platform as one SVG: no service, no dependency, the same bytes for the same declaration.

Everything is placed by what is declared: another host, bucket or record makes its box grow. Text is measured with the
widths of a wide font, so that it fits with the narrower ones that a browser may choose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape, quoteattr

WIDTH = 860
MARGIN = 16
GAP = 12
#: columns of cards in a row; the rest goes into the next row
COLUMNS = 4
#: height of a line of text in a card
LINE = 17
#: mean width of a character in parts of the font size; digits and capitals are wider
_PLAIN, _BOLD = 0.62, 0.71

_LIGHT = {
    "page": "#ffffff",
    "frame": "#d0d7de",
    "text": "#1f2328",
    "dim": "#59636e",
    "card": "#ffffff",
    "vpc": "#f3f8fd",
    "vpcline": "#7fb0e0",
    "subnet": "#ffffff",
    "host": "#0b62b8",
    "hostfill": "#e7f1fc",
    "site": "#7a3fb8",
    "sitefill": "#f3eafc",
    "store": "#2f7d3b",
    "storefill": "#e8f5ea",
    "zone": "#6b7682",
    "arrow": "#6b7682",
}
_DARK = {
    "page": "#0d1117",
    "frame": "#3d444d",
    "text": "#f0f6fc",
    "dim": "#9aa4af",
    "card": "#151b23",
    "vpc": "#0f1b2b",
    "vpcline": "#2f6298",
    "subnet": "#131c27",
    "host": "#6cb6ff",
    "hostfill": "#14283d",
    "site": "#c8a0f0",
    "sitefill": "#2a1b3d",
    "store": "#72c77f",
    "storefill": "#14291a",
    "zone": "#8b96a2",
    "arrow": "#8b96a2",
}

#: <name> stands for a colour: CSS variables would be shorter, but many programs that draw SVG do not know them
_SHAPES = """
  text { font-family: -apple-system, "Segoe UI", "Noto Sans", "Liberation Sans", Helvetica, Arial, sans-serif;
    font-size: 12px; fill: <text>; }
  .title { font-size: 17px; font-weight: 600 }
  .head { font-weight: 600; font-size: 12.5px }
  .name { font-weight: 600 }
  .dim { fill: <dim>; font-size: 11.5px }
  .mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; font-size: 11.5px }
  .tag { font-size: 11px; font-weight: 600 }
  .middle { text-anchor: middle } .right { text-anchor: end }
  rect { stroke-width: 1.2 }
  .page { fill: <page>; stroke: <frame> }
  .card { fill: <card>; stroke: <frame> }
  .gateway { fill: <card>; stroke: <vpcline> }
  .region { fill: none; stroke: <zone>; stroke-dasharray: 5 4 }
  .vpc { fill: <vpc>; stroke: <vpcline> }
  .subnet { fill: <subnet>; stroke: <vpcline>; stroke-dasharray: 3 3 }
  .host { fill: <hostfill>; stroke: <host> } text.host { fill: <host>; stroke: none }
  .site { fill: <sitefill>; stroke: <site> } text.site { fill: <site>; stroke: none }
  .literal { fill: none; stroke: <zone> } text.literal { fill: <dim>; stroke: none }
  .store { fill: <storefill>; stroke: <store> }
  .arrow { stroke: <arrow>; stroke-width: 1.5; fill: none }
  .tip { fill: <arrow> }
"""


def _style() -> str:
    """Rules in the colours of the day, and those of them that have a colour again for dark backgrounds."""
    colour = re.compile(r"<(\w+)>")
    rules = re.findall(r"[^{}]+\{[^{}]+\}", _SHAPES)
    light = "".join(colour.sub(lambda found: _LIGHT[found[1]], rule) for rule in rules)
    dark = "".join(colour.sub(lambda found: _DARK[found[1]], rule) for rule in rules if colour.search(rule))
    return f"{light}\n  @media (prefers-color-scheme: dark) {{{dark}\n  }}\n"


#: fill and letter of a security group's tag, by its position; dark enough for white letters on any background
_TAGS = ("#1a7f37", "#b35900", "#0969da", "#8250df", "#bf3989", "#57606a", "#0f766e", "#a40e26")


def width(text: str, size: float = 12, each: float = _PLAIN) -> float:
    """About how wide a text is."""
    return len(text) * size * each


def fit(text: str, room: float, each: float = _PLAIN) -> str:
    """The text, cut where it would leave its box; mostly lower case, which is narrower."""
    most = int(room / (11 * each))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def tag_width(text: str) -> float:
    """How wide a tag or chip is."""
    return width(text, 11, _BOLD) + 12


def wrap(words: Iterable[str], room: float, size: float = 12) -> list[str]:
    """Words in lines that are no wider than ``room``."""
    lines: list[str] = []
    for word in words:
        joined = f"{lines[-1]}\u2002{word}" if lines else word
        if lines and width(joined, size) <= room:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines


@dataclass
class Canvas:
    """The SVG elements drawn so far, and how far down they reach."""

    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, content: str, style: str = "") -> None:
        """One line of text with its base line at y."""
        self.parts.append(f'<text x="{x:g}" y="{y:g}" class="{style}">{escape(content)}</text>')

    def box(self, x: float, y: float, w: float, h: float, style: str, radius: int = 6, fill: str = "") -> None:
        """A rectangle."""
        painted = f' fill="{fill}"' if fill else ""
        shape = f'x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{radius}"'
        self.parts.append(f'<rect {shape} class="{style}"{painted}/>')

    def down(self, x: float, y: float, to_y: float) -> None:
        """An arrow downwards."""
        self.parts.append(f'<path class="arrow" d="M{x:g} {y:g}V{to_y - 5:g}"/>')
        self.parts.append(f'<path class="tip" d="M{x - 4:g} {to_y - 6:g}h8L{x:g} {to_y:g}z"/>')

    def right(self, x: float, to_x: float, y: float) -> None:
        """An arrow to the right."""
        self.parts.append(f'<path class="arrow" d="M{x:g} {y:g}H{to_x - 5:g}"/>')
        self.parts.append(f'<path class="tip" d="M{to_x - 6:g} {y - 4:g}v8L{to_x:g} {y:g}z"/>')

    def chip(self, right: float, y: float, content: str, style: str) -> float:
        """A target's name in its colour, its right edge at ``right``; returns its left edge."""
        w = tag_width(content)
        self.box(right - w, y - 12.5, w, 17, style, 4)
        self.text(right - w / 2, y, content, f"tag middle {style}")
        return right - w

    def tag(self, x: float, y: float, content: str, fill: str) -> float:
        """A filled tag at ``x``; returns where the next one may begin."""
        w = tag_width(content)
        self.box(x, y - 12.5, w, 17, "", 8, fill)
        self.parts.append(
            f'<text x="{x + w / 2:g}" y="{y:g}" class="tag middle" style="fill:#fff">{escape(content)}</text>'
        )
        return x + w + 5


def _columns(count: int, left: float, room: float) -> list[tuple[float, float]]:
    """Left edge and width of ``count`` equal columns."""
    w = (room - (count - 1) * GAP) / count
    return [(left + index * (w + GAP), w) for index in range(count)]


def _rows(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[start : start + COLUMNS] for start in range(0, len(items), COLUMNS)]


# --- Zones and where their names lead ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lead:
    """Names of a zone that lead to the same target. style: ``host``, ``site``, or empty for a literal value."""

    target: str
    style: str
    names: tuple[str, ...]


def _short(name: str, zone: str) -> str:
    """A name without its zone: ``api.``; the zone's own in full."""
    return name if name == zone else name.removesuffix(zone)


def leads(declared: Mapping[str, Any]) -> dict[str, list[Lead]]:
    """By zone: which names lead where, in the order of the declaration."""
    zones: dict[str, dict[tuple[str, str], list[str]]] = {zone: {} for zone in declared["aws_dns_zones"]}
    for key, record in declared["aws_dns_records"].items():
        zone = record["zone"]
        target = (record["host"], "host") if record.get("host") else (f"{record['type']} record", "")
        zones[zone].setdefault(target, []).append(_short(record.get("name", key), zone))
    for site, entry in declared["aws_cdn_distributions"].items():
        for alias in entry["aliases"]:
            zone = max((name for name in zones if alias == name or alias.endswith(f".{name}")), key=len)
            zones[zone].setdefault((site, "site"), []).append(_short(alias, zone))
    return {
        zone: [Lead(target, style, tuple(dict.fromkeys(names))) for (target, style), names in found.items()]
        for zone, found in zones.items()
    }


def _lead_lines(lead: Lead, room: float) -> list[str]:
    return wrap(lead.names, room - tag_width(lead.target) - 44)


def _zone_height(found: Sequence[Lead], room: float) -> float:
    return 34 + sum(len(_lead_lines(lead, room)) * LINE + 7 for lead in found)


def _zones(canvas: Canvas, y: float, declared: Mapping[str, Any]) -> float:
    for row in _rows(list(leads(declared).items())):
        columns = _columns(len(row), MARGIN + GAP, WIDTH - 2 * (MARGIN + GAP))
        tallest = max(_zone_height(found, columns[0][1]) for _, found in row)
        for (x, w), (zone, found) in zip(columns, row, strict=True):
            canvas.box(x, y, w, tallest, "card")
            canvas.text(x + 12, y + 21, zone, "head")
            registered = declared["aws_dns_zones"][zone].get("registered")
            canvas.text(x + w - 12, y + 21, "registered" if registered else "not registered here", "dim right")
            line = y + 45
            for lead in found:
                left = canvas.chip(x + w - 12, line, lead.target, lead.style or "literal")
                rows = _lead_lines(lead, w)
                for index, words in enumerate(rows):
                    canvas.text(x + 12, line + index * LINE, words)
                end = x + 12 + width(rows[0]) + 4
                canvas.right(min(end, left - 16), left - 2, line - 4)
                line += len(rows) * LINE + 7
        y += tallest + GAP
    return y - GAP


# --- Distributions and their buckets -------------------------------------------------------------------------------


def _bucket(canvas: Canvas, x: float, y: float, w: float, declared: Mapping[str, Any], name: str) -> None:
    entry = declared["aws_storage_buckets"].get(name, {})
    canvas.box(x, y, w, 44, "store")
    canvas.text(x + 12, y + 18, fit(name, w - 20, _BOLD), "name")
    notes = [*entry.get("prefixes", []), *(["CORS uploads"] if entry.get("cors") else [])]
    canvas.text(x + 12, y + 35, fit(" · ".join(["S3 bucket", *notes]), w - 20), "dim")


def _sites(canvas: Canvas, y: float, declared: Mapping[str, Any]) -> tuple[float, float]:
    """Distributions above the bucket that they read; the others in rows below. Returns top and bottom of the buckets.

    The buckets are inside the region's frame.
    """
    buckets: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for name, entry in declared["aws_cdn_distributions"].items():
        buckets.setdefault(entry["bucket"], []).append((name, entry))
    row = list(buckets.items())
    columns = _columns(max(len(row), 1), MARGIN + GAP, WIDTH - 2 * (MARGIN + GAP))
    tallest = max((len(sites) for _, sites in row), default=0)
    bottom = y + tallest * 52 + 44
    for (x, w), (bucket, sites) in zip(columns, row, strict=False):
        for index, (name, entry) in enumerate(sites):
            top = y + (tallest - len(sites) + index) * 52
            canvas.box(x, top, w, 44, "site")
            canvas.text(x + 12, top + 18, fit(name, w - 20, _BOLD), "name site")
            canvas.text(x + w - 12, top + 18, "" if len(row) > 3 else entry.get("id", ""), "mono right")
            for alias in entry["aliases"][:1]:
                more = f" +{len(entry['aliases']) - 1}" if len(entry["aliases"]) > 1 else ""
                canvas.text(x + 12, top + 35, fit(alias + more, w - 20), "dim")
        if sites:
            # Beside the region's name, which stands at the left.
            canvas.down(x + w - (36 if len(row) < COLUMNS else 14), y + tallest * 52 - 8, bottom)
        _bucket(canvas, x, bottom, w, declared, bucket)
    y = bottom + 44
    for others in _rows([name for name in declared["aws_storage_buckets"] if name not in buckets]):
        y += GAP if buckets else 0
        for (x, w), name in zip(_columns(len(others), MARGIN + GAP, WIDTH - 2 * (MARGIN + GAP)), others, strict=True):
            _bucket(canvas, x, y, w, declared, name)
        y += 44
    return bottom, y


# --- The VPC -------------------------------------------------------------------------------------------------------


def _instance(declared: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {**declared["aws_compute_instance_defaults"], **declared["aws_compute_instances"][name]}


def _tag_rows(groups: Iterable[str], room: float) -> list[list[str]]:
    rows: list[list[str]] = []
    for group in groups:
        used = sum(tag_width(item) + 5 for item in rows[-1]) if rows else 0
        if rows and used + tag_width(group) <= room:
            rows[-1].append(group)
        else:
            rows.append([group])
    return rows


def _host_height(entry: Mapping[str, Any], w: float) -> float:
    return 84 + 22 * len(_tag_rows(entry.get("security_groups", []), w - 18))


def _host(
    canvas: Canvas, x: float, y: float, w: float, name: str, entry: Mapping[str, Any], tags: Mapping[str, str]
) -> None:
    canvas.box(x, y, w, _host_height(entry, w) - 8, "host")
    canvas.text(x + 10, y + 18, fit(name, w - 14, _BOLD), "name host")
    canvas.text(x + 10, y + 34, f"{entry['type']} · {entry['architecture']}", "dim")
    for row, (what, address) in enumerate(
        (("private", entry.get("private_ip", "any")), ("elastic", entry.get("elastic_ip", "none")))
    ):
        canvas.text(x + 10, y + 50 + row * 16, what, "dim")
        canvas.text(x + w - 10, y + 50 + row * 16, str(address), "mono right")
    for row, groups in enumerate(_tag_rows(entry.get("security_groups", []), w - 18)):
        left = x + 9
        for group in groups:
            left = canvas.tag(left, y + 87 + row * 22, group, tags[group])


def _ports(rule: Mapping[str, Any]) -> str:
    port = rule.get("port")
    if port is None:
        return str(rule["protocol"])
    number = "" if isinstance(port, str) else str(port)
    return f"{rule['protocol']} {number}{'-' + str(rule['to_port']) if rule.get('to_port') else ''}".strip()


def _peers(rule: Mapping[str, Any]) -> str:
    cidrs = rule.get("cidrs", [])
    # The administrators' ranges are a template, because each inventory has its own.
    named = ["the administrators"] if isinstance(cidrs, str) else ["anywhere" if c == "0.0.0.0/0" else c for c in cidrs]
    return ", ".join([*named, *(f"{name}" for name in rule.get("groups", []))])


def _rule_summary(group: Mapping[str, Any], declared: Mapping[str, Any]) -> str:
    """Inbound rules in a line: ``tcp 80, tcp 443 from anywhere``."""
    by_peer: dict[str, list[str]] = {}
    for rule in group.get("ingress", {}).values():
        rule = {**rule, "port": _filled(rule.get("port"), declared)} if "port" in rule else rule
        by_peer.setdefault(_peers(rule), []).append(_ports(rule))
    return "; ".join(f"{', '.join(ports)} from {peer}" for peer, ports in by_peer.items())


def _filled(value: Any, declared: Mapping[str, Any]) -> Any:
    """The variable that a template consists of; anything else as it is."""
    name = value.strip("{} ") if isinstance(value, str) else ""
    return declared.get(name, value)


def _subnets(canvas: Canvas, y: float, declared: Mapping[str, Any], vpc: str, tags: Mapping[str, str]) -> float:
    inside = [(name, entry) for name, entry in declared["aws_network_subnets"].items() if entry["vpc"] == vpc]
    hosts = {name: _instance(declared, name) for name in declared["aws_compute_instances"]}
    for row in _rows(inside):
        columns = _columns(len(row), MARGIN + 2 * GAP, WIDTH - 2 * (MARGIN + 2 * GAP))
        content = [[(n, e) for n, e in hosts.items() if e["subnet"] == subnet] for subnet, _ in row]
        w = columns[0][1] - 2 * 8
        tallest = 66 + max([30.0, *(sum(_host_height(e, w) for _, e in part) for part in content)])
        for (x, outer), (name, subnet), part in zip(columns, row, content, strict=True):
            canvas.box(x, y, outer, tallest, "subnet")
            canvas.text(x + 10, y + 19, name, "head")
            canvas.text(x + 10, y + 36, subnet["cidr"], "mono")
            canvas.text(x + 10, y + 52, subnet["zone"], "dim")
            top = y + 64
            for host, entry in part:
                _host(canvas, x + 8, top, w, host, entry, tags)
                top += _host_height(entry, w)
            if not part:
                canvas.text(x + outer / 2, y + 90, "no host", "dim middle")
        y += tallest + GAP
    return y


def _legend(canvas: Canvas, y: float, declared: Mapping[str, Any], vpc: str, tags: Mapping[str, str]) -> float:
    for name, group in declared["aws_security_groups"].items():
        if group["vpc"] == vpc:
            canvas.tag(MARGIN + 2 * GAP, y + 12, name, tags[name])
            longest = max(tag_width(item) for item in tags)
            canvas.text(MARGIN + 2 * GAP + longest + 10, y + 12, _rule_summary(group, declared), "dim")
            y += 22
    return y


def _vpcs(canvas: Canvas, y: float, declared: Mapping[str, Any]) -> float:
    tags = {name: _TAGS[index % len(_TAGS)] for index, name in enumerate(declared["aws_security_groups"])}
    for name, vpc in declared["aws_network_vpcs"].items():
        gateways = [g for g, e in declared["aws_network_internet_gateways"].items() if e["vpc"] == name]
        tables = {n: e for n, e in declared["aws_network_route_tables"].items() if e["vpc"] == name}
        routes = {to for e in tables.values() for to, r in e["routes"].items() if r["internet_gateway"] in gateways}
        box = y + 11 if gateways else y
        slot = len(canvas.parts)
        if gateways:
            label = f"{', '.join(sorted(routes))} \u21c4 internet gateway {', '.join(gateways)}"
            w = width(label) + 24
            canvas.box(WIDTH / 2 - w / 2, box - 12, w, 24, "gateway", 12)
            canvas.text(WIDTH / 2, box + 4, label, "middle")
        canvas.text(MARGIN + 2 * GAP, box + 26, f"VPC {name}", "head")
        canvas.text(MARGIN + 2 * GAP + width(f"VPC {name}", 12.5, _BOLD) + 10, box + 26, vpc["cidr"], "mono")
        acls = [n for n, e in declared["aws_network_acls"].items() if e["vpc"] == name]
        note = f"route table {', '.join(tables)} · NACL {', '.join(acls)}"
        canvas.text(WIDTH - MARGIN - 2 * GAP, box + 26, note, "dim right")
        bottom = _subnets(canvas, box + 38, declared, name, tags)
        bottom = _legend(canvas, bottom + 2, declared, name, tags) + 6
        backdrop = Canvas()
        backdrop.box(MARGIN + GAP, box, WIDTH - 2 * (MARGIN + GAP), bottom - box, "vpc", 8)
        canvas.parts.insert(slot, backdrop.parts[0])
        y = bottom + GAP
    return y


def draw(declared: Mapping[str, Any], by: str = "drawn from group_vars/all by bin/generate_docs.py") -> str:
    """The picture of a declaration: variables by name, templates as they are written or filled in. by: who says so."""
    canvas = Canvas()
    region = declared["aws_region"]
    canvas.text(MARGIN + GAP, 36, "The KOIN platform as declared", "title")
    canvas.text(WIDTH - MARGIN - GAP, 36, by, "dim right")
    canvas.text(MARGIN + GAP, 64, "Route 53: public zones, and where their names lead", "head")
    y = _zones(canvas, 74, declared) + 26
    canvas.text(MARGIN + GAP, y, "CloudFront: distributions, each reading its bucket by origin access control", "head")
    sites = y + 10
    slot = len(canvas.parts)
    buckets, below = _sites(canvas, sites, declared)
    top = buckets - 30
    canvas.text(MARGIN + GAP, top + 20, f"Region {region}", "head")
    bottom = _vpcs(canvas, below + 18, declared)
    frame = Canvas()
    frame.box(MARGIN, top, WIDTH - 2 * MARGIN, bottom - top, "region", 10)
    canvas.parts[slot:slot] = frame.parts
    height = bottom + MARGIN
    counts = ("aws_compute_instances", "instances"), ("aws_storage_buckets", "buckets"), ("aws_dns_zones", "zones")
    described = f"The KOIN platform in {region}: {', '.join(f'{len(declared[v])} {what}' for v, what in counts)}"
    page = Canvas()
    page.box(0.6, 0.6, WIDTH - 1.2, height - 1.2, "page", 12)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}"'
            f' width="{WIDTH}" height="{height:g}" role="img" aria-label={quoteattr(described)}>',
            "<!-- Generated by bin/generate_docs.py from group_vars/all. Edit those. -->",
            f"<title>{escape(described)}</title>",
            f"<style>{_style()}</style>",
            *page.parts,
            *canvas.parts,
            "</svg>",
            "",
        ]
    )
