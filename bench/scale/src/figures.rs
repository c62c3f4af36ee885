//! The figures from which the manual's page of sizes is computed, under names that it knows.

use std::fmt;

/// One figure.
#[derive(Debug, Clone, PartialEq)]
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    from: &'static str,
}

/// The figures, as a table that `cargo xtask scale --page` reads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures(Vec<Figure>);

impl Figures {
    /// Notes a figure, and the table that it comes from.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        value: f64,
        unit: &'static str,
        from: &'static str,
    ) {
        self.0.push(Figure {
            name,
            value,
            unit,
            from,
        });
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| figure | value | unit | table |\n|---|---|---|---|")?;
        for figure in &self.0 {
            let digits = if figure.value < 100.0 { 2 } else { 0 };
            writeln!(
                f,
                "| `{}` | {:.digits$} | {} | {} |",
                figure.name, figure.value, figure.unit, figure.from
            )?;
        }
        Ok(())
    }
}
