//! Medians, spreads and ratios.

/// The results of several rounds: the median, the least and the most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.as_slice() {
            [] => return None,
            values if values.len().is_multiple_of(2) => {
                f64::midpoint(values[middle - 1], values[middle])
            }
            values => values[middle],
        };
        Some(Self {
            median,
            low: values[0],
            high: values[values.len() - 1],
        })
    }

    /// A figure that was taken once.
    pub(crate) fn one(value: f64) -> Self {
        Self {
            median: value,
            low: value,
            high: value,
        }
    }
}

/// The quotients of the rounds that both took part in.
pub(crate) fn ratios(of: &[Option<f64>], to: &[Option<f64>]) -> Vec<f64> {
    of.iter()
        .zip(to)
        .filter_map(|(of, to)| Some(of.as_ref()? / to.as_ref()?))
        .collect()
}

/// A number with about three figures, and thousands set apart.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        size if size < 999.5 => format!("{value:.0}"),
        _ => thousands(value),
    }
}

/// Formats a count: no fraction where there is none.
pub(crate) fn count(value: f64) -> String {
    if value.fract() == 0.0 {
        thousands(value)
    } else {
        figure(value)
    }
}

/// A whole number, with thousands set apart.
fn thousands(value: f64) -> String {
    let text = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && (text.len() - at).is_multiple_of(3) && digit.is_ascii_digit() {
            out.push(',');
        }
        out.push(digit);
    }
    out.replace("-,", "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        #[rustfmt::skip]
        let table = [
            ([].as_slice(),         None),
            (&[3.0],                Some((3.0, 3.0, 3.0))),
            (&[9.0, 1.0, 2.0],      Some((2.0, 1.0, 9.0))),
            (&[9.0, 1.0, 2.0, 4.0], Some((3.0, 1.0, 9.0))),
        ];
        for (values, wanted) in table {
            let spread = Spread::of(values).map(|it| (it.median, it.low, it.high));
            assert_eq!(spread, wanted, "{values:?}");
        }
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        let of = [Some(2.0), None, Some(9.0), Some(1.0)];
        let to = [Some(1.0), Some(1.0), None, Some(4.0)];
        assert_eq!(ratios(&of, &to), [2.0, 0.25]);
    }

    #[test]
    fn figures_are_short() {
        #[rustfmt::skip]
        let table = [
            (0.0, "0.00"), (1.256, "1.26"), (9.996, "10.0"), (43.21, "43.2"), (123.4, "123"),
            (999.7, "1,000"), (12_345.6, "12,346"), (1_234_567.0, "1,234,567"), (-123_456.0, "-123,456"),
        ];
        for (value, text) in table {
            assert_eq!(figure(value), text);
        }
        assert_eq!([count(12.0), count(0.0), count(1.5)], ["12", "0", "1.50"]);
    }
}
