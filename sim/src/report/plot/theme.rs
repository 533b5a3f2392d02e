//! Colours and letters of all plots.
//!
//! Blue and orange are told apart with every common kind of colour blindness; every text has a contrast of at least
//! 4.5 to 1 on its paper.

/// The style sheet of a plot.
pub(super) const STYLE: &str = "\
svg{--paper:#fff;--ink:#1c2430;--soft:#566170;--grid:#e4e8ed;--main:#1f6fb2;--wash:#1f6fb21f;--other:#b8500f;--warn:#b3261e}\
@media(prefers-color-scheme:dark){svg{--paper:#12161b;--ink:#e9edf2;--soft:#a6b0bd;--grid:#2a313a;--main:#6cb2ec;\
--wash:#6cb2ec26;--other:#f0975c;--warn:#ff8a80}}\
text{font:13px system-ui,-apple-system,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif;fill:var(--ink)}\
.paper{fill:var(--paper)}.title{font-size:18px;font-weight:600}.soft{fill:var(--soft)}.small{font-size:11px}\
.halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}\
.grid{stroke:var(--grid);stroke-width:1}.axis{stroke:var(--soft);stroke-width:1}\
.line{fill:none;stroke:var(--main);stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}\
.second{fill:none;stroke:var(--other);stroke-width:1.5;stroke-linejoin:round}\
.area{fill:var(--wash)}.bar{fill:var(--main)}.bar2{fill:var(--other)}.over{fill:var(--warn)}\
.mark{stroke:var(--ink);stroke-width:1;stroke-dasharray:4 3}.limit{stroke:var(--warn);stroke-width:2}\
.event{stroke:var(--soft);stroke-width:1;stroke-dasharray:1 3}\
.limit-text{fill:var(--warn)}.main-text{fill:var(--main)}.other-text{fill:var(--other)}\
.dot{fill:var(--main);stroke:var(--paper);stroke-width:1.5}.dot2{fill:var(--other);stroke:var(--paper);stroke-width:1.5}\
.heard{stroke:var(--main);stroke-opacity:.36;stroke-linecap:round}.one-way{stroke:var(--main);stroke-opacity:.55;stroke-dasharray:5 4}\
.wire{stroke:var(--other);stroke-opacity:.9}\
.track{fill:none;stroke:var(--other);stroke-width:1.5;stroke-dasharray:2 4}";
