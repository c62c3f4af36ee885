//! A table as a picture: bars beside each other, a panel for each column.

use std::fmt::Write as _;

use crate::stats::Spread;
use crate::table::{self, Row, Scale, Table};

const WIDTH: f64 = 980.0;
const LEFT: f64 = 190.0;
const MARGIN: f64 = 16.0;
const LINE: f64 = 20.0;
const BAR: f64 = 12.0;
/// Room for a figure after its bar.
const FIGURE: f64 = 58.0;

/// Light and dark alike; a viewer that knows neither shows the light one.
const STYLE: &str = "<style>
svg { --ground: #ffffff; --text: #1f2328; --dim: #59636e; --ours: #0969da; --peer: #a8b1bb; --spread: #1f2328; --line: #d1d9e0; }
@media (prefers-color-scheme: dark) {
svg { --ground: #0d1117; --text: #f0f6fc; --dim: #9198a1; --ours: #58a6ff; --peer: #59636e; --spread: #f0f6fc; --line: #3d444d; } }
text { font: 12px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: var(--text); }
.title { font-size: 15px; font-weight: 600; }
.dim { fill: var(--dim); }
.family { font-weight: 600; }
.ours { fill: var(--ours); font-weight: 600; }
rect.ground { fill: var(--ground); }
rect.peer { fill: var(--peer); }
rect.ours { fill: var(--ours); }
line { stroke: var(--line); }
line.spread { stroke: var(--spread); }
</style>
";

/// The chart of a table, an SVG document.
pub(crate) fn draw(table: &Table) -> String {
    let notes = lines(&note(table), 140);
    #[expect(clippy::cast_precision_loss, reason = "a few lines")]
    let top = 44.0 + 16.0 * notes.len() as f64;
    let mut body = text(MARGIN, 28.0, "title", &table.title);
    for (at, line) in (0_u32..).zip(&notes) {
        body += &text(MARGIN, 46.0 + 16.0 * f64::from(at), "dim", line);
    }
    let panels = Panel::all(table);
    for (panel, column) in panels.iter().zip(&table.columns) {
        body += &text(panel.left, top + 14.0, "family", column);
    }
    let mut y = top + 24.0;
    for (family, rows) in table.families() {
        body += &text(MARGIN, y + 14.0, "family", family);
        y += LINE;
        for row in rows {
            body += &bars(row, &panels, y);
            y += LINE;
        }
        y += 6.0;
    }
    for panel in &panels {
        let _ = writeln!(
            body,
            "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1:.1}\" y2=\"{y:.1}\"/>",
            panel.left,
            top + 22.0
        );
    }
    document(&table.title, y + 10.0, &body)
}

fn document(title: &str, height: f64, body: &str) -> String {
    let title = escape(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" \
         height=\"{height:.0}\" role=\"img\" aria-label=\"{title}\">\n{STYLE}\
         <rect class=\"ground\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n{body}</svg>\n"
    )
}

fn note(table: &Table) -> String {
    let scale = match table.scale {
        Scale::Linear => "",
        Scale::Logarithmic => " The scale is logarithmic.",
    };
    format!("{}{scale}", table.note)
}

/// Draws one row: the name, and in each panel a bar, its spread and its figure.
fn bars(row: &Row, panels: &[Panel], y: f64) -> String {
    let class = if row.is_ours { "ours" } else { "peer" };
    let mut out = text(
        MARGIN + 10.0,
        y + 14.0,
        if row.is_ours { "ours" } else { "" },
        &row.name,
    );
    for (panel, spread) in panels.iter().zip(&row.cells) {
        let Some(spread) = *spread else {
            continue;
        };
        let Spread { median, low, high } = spread;
        let (length, left) = (panel.length(median), panel.left);
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"{BAR}\"/>",
            y + 4.0
        );
        if high > low {
            let _ = writeln!(
                out,
                "<line class=\"spread\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{2:.1}\" y2=\"{2:.1}\"/>",
                left + panel.length(low),
                left + panel.length(high),
                y + 4.0 + BAR / 2.0
            );
        }
        let after = left + length.max(panel.length(high)) + 5.0;
        out += &text(after, y + 14.0, "", &table::median(spread));
    }
    out
}

/// The position and the length of one column's bars.
#[derive(Debug)]
struct Panel {
    left: f64,
    room: f64,
    scale: Scale,
    /// The value at which a bar has no length: nothing, or the least of a logarithmic scale.
    low: f64,
    high: f64,
}

impl Panel {
    fn all(table: &Table) -> Vec<Self> {
        #[expect(clippy::cast_precision_loss, reason = "a few columns")]
        let width = (WIDTH - LEFT - MARGIN) / table.columns.len() as f64;
        let panel = |(at, column): (u32, usize)| {
            let cells = table
                .rows
                .iter()
                .filter_map(|row| row.cells.get(column)?.as_ref());
            let (low, high) = range(cells, table.scale);
            Self {
                left: LEFT + width * f64::from(at),
                room: width - FIGURE,
                scale: table.scale,
                low,
                high,
            }
        };
        (0..).zip(0..table.columns.len()).map(panel).collect()
    }

    /// Returns the length of a bar.
    fn length(&self, value: f64) -> f64 {
        let part = match self.scale {
            Scale::Linear => value / self.high,
            Scale::Logarithmic => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        // Where everything is nothing there is no part.
        if part.is_finite() {
            (part * self.room).clamp(0.0, self.room)
        } else {
            0.0
        }
    }
}

/// Returns the range of a scale: a logarithmic one begins at 1, 2 or 5 times a power of ten.
fn range<'a>(cells: impl Iterator<Item = &'a Spread>, scale: Scale) -> (f64, f64) {
    let (mut least, mut most) = (f64::MAX, 0.0_f64);
    for cell in cells {
        (least, most) = (least.min(cell.low), most.max(cell.high));
    }
    match scale {
        Scale::Linear => (0.0, most),
        Scale::Logarithmic => (round_down(least * 0.9), most),
    }
}

fn round_down(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let steps = [5.0, 2.0, 1.0].map(|step| step * decade);
    // A power is not exact: what is no larger than the value by more than that is taken.
    let step = steps.into_iter().find(|step| *step <= value * (1.0 + 1e-9));
    step.unwrap_or(decade)
}

fn text(x: f64, y: f64, class: &str, text: &str) -> String {
    let text = escape(text);
    match class {
        "" => format!("<text x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>\n"),
        class => format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>\n"),
    }
}

fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is always one");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::tests::invented;

    #[test]
    fn a_logarithmic_scale_begins_at_a_round_number() {
        #[rustfmt::skip]
        let table = [(1.0, 1.0), (0.93, 0.5), (7.3, 5.0), (2.0, 2.0), (1_999.0, 1_000.0), (0.02, 0.02)];
        for (value, wanted) in table {
            let found = round_down(value);
            assert!((found / wanted - 1.0).abs() < 1e-9, "{value}: {found}");
        }
    }

    #[test]
    fn bars_are_in_proportion_and_within_their_panel() {
        let panel = |scale, low| Panel {
            left: 0.0,
            room: 100.0,
            scale,
            low,
            high: 100.0,
        };
        let near = |one: f64, other: f64| (one - other).abs() < 1e-9;
        let linear = panel(Scale::Linear, 0.0);
        assert!(near(linear.length(50.0), 50.0) && near(linear.length(100.0), 100.0));
        let logarithmic = panel(Scale::Logarithmic, 1.0);
        assert!(near(logarithmic.length(10.0), 50.0));
        assert!(near(logarithmic.length(0.1), 0.0) && near(logarithmic.length(1e9), 100.0));
        let empty = Panel {
            high: 0.0,
            ..panel(Scale::Linear, 0.0)
        };
        assert!(near(empty.length(0.0), 0.0));
    }

    #[test]
    fn a_chart_names_every_contender_and_stays_inside() {
        let tables = invented().tables();
        let chart = draw(&tables[0]);
        for row in &tables[0].rows {
            assert!(
                chart.contains(&format!(">{}</text>", row.name)),
                "{}",
                row.name
            );
        }
        let (_, box_) = chart.split_once("viewBox=\"0 0 980 ").unwrap();
        let height: f64 = box_.split('"').next().unwrap().parse().unwrap();
        for part in chart.split(" y=\"").skip(1) {
            let y: f64 = part.split('"').next().unwrap().parse().unwrap();
            assert!(y < height, "{y} of {height}");
        }
        assert!(chart.contains("prefers-color-scheme"));
    }

    #[test]
    fn xml_metacharacters_are_escaped() {
        assert_eq!(escape("a<b & \"c\""), "a&lt;b &amp; &quot;c&quot;");
    }
}
