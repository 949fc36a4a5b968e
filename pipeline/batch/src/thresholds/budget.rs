//! Budgets in words: `1 per 30d` is one false step-up a subject in thirty days of activity.

use std::fmt;
use std::str::FromStr;

/// So many false step-ups a subject in so many days on which they worked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// False step-ups.
    pub step_ups: f64,
    /// Days.
    pub days: f64,
}

impl Budget {
    /// Share of a subject's days that may see one.
    pub fn a_day(self) -> f64 {
        self.step_ups / self.days
    }

    /// One in so many days.
    pub fn one_in(days: f64) -> Self {
        Self { step_ups: 1.0, days }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} per {}d", self.step_ups, self.days)
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no budget, write one such as \"1 per 30d\" or \"2 per 4w\"");
        let (step_ups, days) = text.split_once(" per ").ok_or_else(wrong)?;
        let days = days.trim();
        let unit = days.chars().last().ok_or_else(wrong)?;
        let days_of_unit = match unit {
            'd' => 1.0,
            'w' => 7.0,
            _ => return Err(wrong()),
        };
        let number = |text: &str| {
            text.trim()
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite() && *number > 0.0)
        };
        let days = number(days.trim_end_matches(unit)).ok_or_else(wrong)? * days_of_unit;
        let step_ups = number(step_ups).ok_or_else(wrong)?;
        if step_ups > days {
            return Err(format!(
                "{text:?} is more than one step-up a day, which is no budget but a nuisance"
            ));
        }
        Ok(Self { step_ups, days })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_rates() {
        for (text, rate) in [
            ("1 per 30d", 1.0 / 30.0),
            ("2 per 4w", 2.0 / 28.0),
            ("0.5 per 10d", 0.05),
        ] {
            assert!((text.parse::<Budget>().unwrap().a_day() - rate).abs() < 1e-12, "{text}");
        }
        assert_eq!("2 per 4w".parse::<Budget>().unwrap().to_string(), "2 per 28d");
        for text in [
            "",
            "1",
            "1 per d",
            "x per 3d",
            "1 per 3",
            "1 per 3h",
            "0 per 3d",
            "1 per -3d",
            "1 per é",
        ] {
            assert!(text.parse::<Budget>().unwrap_err().contains("is no budget"), "{text}");
        }
        assert!("5 per 1d".parse::<Budget>().unwrap_err().contains("nuisance"));
    }
}
