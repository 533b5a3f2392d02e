//! Charts as SVG, light or dark as the reader's screen.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 56.0;

const STYLE: &str = "\
svg{font:13px system-ui,sans-serif}.paper{fill:#fff}text{fill:#222}.grid{stroke:#ddd}.axis{stroke:#444;fill:none}\
.c0{--c:#0b62a8}.c1{--c:#b8420a}.c2{--c:#1d7a3a}.c3{--c:#7b3fa0}.c4{--c:#8a6a00}\
.line{stroke:var(--c);fill:none;stroke-width:2}.dot{fill:var(--c)}.ring{stroke:var(--c);fill:none;stroke-width:2}\
@media(prefers-color-scheme:dark){.paper{fill:#16181c}text{fill:#e4e4e4}.grid{stroke:#34373d}.axis{stroke:#aaa}\
.c0{--c:#6cb8f5}.c1{--c:#ff9d66}.c2{--c:#6fd08c}.c3{--c:#cf9df0}.c4{--c:#e3c14f}}";

/// How points are drawn.
#[derive(Clone, Copy)]
pub(crate) enum Mark {
    Line,
    Dot,
    Ring,
}

/// Points of one kind.
pub(crate) struct Series {
    pub(crate) name: String,
    /// 0 to 4.
    pub(crate) colour: usize,
    pub(crate) mark: Mark,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A chart from 0 to some end in both directions.
pub(crate) struct Chart {
    pub(crate) title: &'static str,
    pub(crate) x_label: &'static str,
    pub(crate) y_label: &'static str,
    pub(crate) x_ticks: Vec<f64>,
    pub(crate) y_ticks: Vec<f64>,
    pub(crate) series: Vec<Series>,
}

impl Chart {
    /// The whole file.
    pub(crate) fn svg(&self) -> String {
        let mut svg = String::new();
        // Writing into a string cannot fail.
        let _ = self.draw(&mut svg);
        svg
    }

    fn draw(&self, svg: &mut String) -> std::fmt::Result {
        writeln!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#,
            self.title
        )?;
        writeln!(svg, "<title>{}</title><style>{STYLE}</style>", self.title)?;
        writeln!(svg, r#"<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>"#)?;
        writeln!(
            svg,
            r#"<text x="{}" y="26" text-anchor="middle" font-size="16">{}</text>"#,
            WIDTH / 2.0,
            self.title
        )?;
        self.draw_axes(svg)?;
        for series in &self.series {
            self.draw_series(svg, series)?;
        }
        self.draw_legend(svg)?;
        writeln!(svg, "</svg>")
    }

    fn draw_axes(&self, svg: &mut String) -> std::fmt::Result {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for tick in &self.x_ticks {
            let x = self.x(*tick);
            writeln!(
                svg,
                r#"<line class="grid" x1="{x:.1}" y1="{TOP}" x2="{x:.1}" y2="{bottom}"/>"#
            )?;
            writeln!(
                svg,
                r#"<text x="{x:.1}" y="{}" text-anchor="middle">{tick}</text>"#,
                bottom + 18.0
            )?;
        }
        for tick in &self.y_ticks {
            let y = self.y(*tick);
            writeln!(
                svg,
                r#"<line class="grid" x1="{LEFT}" y1="{y:.1}" x2="{right}" y2="{y:.1}"/>"#
            )?;
            writeln!(
                svg,
                r#"<text x="{}" y="{:.1}" text-anchor="end">{tick}</text>"#,
                LEFT - 8.0,
                y + 4.0
            )?;
        }
        writeln!(svg, r#"<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>"#)?;
        writeln!(
            svg,
            r#"<text x="{}" y="{}" text-anchor="middle">{}</text>"#,
            (LEFT + right) / 2.0,
            HEIGHT - 14.0,
            self.x_label
        )?;
        let middle = (TOP + bottom) / 2.0;
        writeln!(
            svg,
            r#"<text x="18" y="{middle}" text-anchor="middle" transform="rotate(-90 18 {middle})">{}</text>"#,
            self.y_label
        )
    }

    fn draw_series(&self, svg: &mut String, series: &Series) -> std::fmt::Result {
        let places = series.points.iter().map(|(x, y)| (self.x(*x), self.y(*y)));
        if let Mark::Line = series.mark {
            let path: Vec<String> = places.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let colour = series.colour;
            return writeln!(
                svg,
                r#"<polyline class="c{colour} line" points="{}"/>"#,
                path.join(" ")
            );
        }
        for (x, y) in places {
            draw_mark(svg, series, x, y)?;
        }
        Ok(())
    }

    fn draw_legend(&self, svg: &mut String) -> std::fmt::Result {
        let x = WIDTH - RIGHT - 250.0;
        for (place, series) in self.series.iter().enumerate() {
            let y = TOP + 16.0 + 20.0 * place as f64;
            draw_mark(svg, series, x, y)?;
            writeln!(
                svg,
                r#"<text x="{}" y="{}">{}</text>"#,
                x + 18.0,
                y + 4.0,
                series.name
            )?;
        }
        Ok(())
    }

    fn x(&self, value: f64) -> f64 {
        let end = self.x_ticks.last().copied().unwrap_or(1.0);
        LEFT + value / end * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let end = self.y_ticks.last().copied().unwrap_or(1.0);
        HEIGHT - BOTTOM - value / end * (HEIGHT - TOP - BOTTOM)
    }
}

fn draw_mark(svg: &mut String, series: &Series, x: f64, y: f64) -> std::fmt::Result {
    let colour = series.colour;
    match series.mark {
        Mark::Line => writeln!(
            svg,
            r#"<path class="c{colour} line" d="M{:.1} {y:.1}h20"/>"#,
            x - 10.0
        ),
        Mark::Dot => writeln!(
            svg,
            r#"<circle class="c{colour} dot" cx="{x:.1}" cy="{y:.1}" r="4"/>"#
        ),
        Mark::Ring => writeln!(
            svg,
            r#"<circle class="c{colour} ring" cx="{x:.1}" cy="{y:.1}" r="6"/>"#
        ),
    }
}
