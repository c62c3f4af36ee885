//! A table of figures, before it is printed, written or drawn.

use crate::contenders::{Contender, Family};
use crate::stats::{Spread, count, figure};

/// Figures of contenders, one column for each thing that was measured.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// The name of its chart's file.
    pub(crate) name: &'static str,
    pub(crate) title: String,
    /// The note below a table: the unit, which way is better.
    pub(crate) note: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Row>,
    pub(crate) scale: Scale,
}

/// One contender.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) family: &'static str,
    pub(crate) is_ours: bool,
    pub(crate) cells: Vec<Option<Spread>>,
}

/// The scale of the bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    Logarithmic,
}

impl Row {
    pub(crate) fn of(contender: &Contender, cells: Vec<Option<Spread>>) -> Self {
        Self {
            name: contender.name.to_owned(),
            family: contender.family.title(),
            is_ours: contender.is_ours(),
            cells,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cells.iter().all(Option::is_none)
    }
}

impl Table {
    /// The rows of each family that has any, in order; those of other pages follow as they come.
    pub(crate) fn families(&self) -> impl Iterator<Item = (&'static str, Vec<&Row>)> {
        let mut titles = Family::ALL.map(Family::title).to_vec();
        for row in &self.rows {
            if !titles.contains(&row.family) {
                titles.push(row.family);
            }
        }
        titles.into_iter().filter_map(|title| {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.family == title).collect();
            (!rows.is_empty()).then_some((title, rows))
        })
    }
}

/// The median, and the least and most where they differ from it.
pub(crate) fn cell(spread: Option<Spread>) -> String {
    let Some(spread) = spread else {
        return "–".to_owned();
    };
    let [middle, least, most] = [spread.median, spread.low, spread.high].map(figure);
    if least == middle && most == middle {
        median(spread)
    } else {
        format!("{middle} ({least}–{most})")
    }
}

/// The median alone.
pub(crate) fn median(spread: Spread) -> String {
    if spread.low < spread.high {
        figure(spread.median)
    } else {
        count(spread.median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_shown_where_there_is_one() {
        let spread = |median, low, high| Some(Spread { median, low, high });
        #[rustfmt::skip]
        let table = [
            (None,                      "–"),
            (spread(2.0, 2.0, 2.0),     "2"),
            (spread(12.0, 12.0, 12.0),  "12"),
            (spread(1.25, 1.25, 1.25),  "1.25"),
            (spread(1.25, 1.2, 1.31),   "1.25 (1.20–1.31)"),
            (spread(60e3, 59e3, 61e3),  "60,000 (59,000–61,000)"),
        ];
        for (spread, text) in table {
            assert_eq!(cell(spread), text);
        }
    }
}
