//! Durations, sizes, rates and back-offs: one unit each, no bare numbers, nothing that is zero.

use std::{fmt, num::NonZeroU64, str::FromStr};

/// `250ms`, `5s`, `10m`, `2h` or `1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(std::time::Duration);

/// `64KiB`, `1MB` and the like, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(NonZeroU64);

/// `100/s`, `100/m`, `100/h` or `100/d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    pub times: NonZeroU64,
    pub per: Period,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    Second,
    Minute,
    Hour,
    Day,
}

/// `1s..1m`: the first pause and the longest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Backoff {
    pub first: Duration,
    pub longest: Duration,
}

/// Why a text is not the quantity it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error("not a whole number and a unit")]
    Form,
    #[error("the unit is not known")]
    Unit,
    #[error("too large")]
    TooLarge,
    #[error("the first pause is longer than the longest")]
    Order,
    /// Well written, and no bound that can be kept.
    #[error("0 is no limit that can be kept; leave it out for the default")]
    Zero,
}

const DURATIONS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

/// A number and its unit.
fn measure(text: &str, units: &[(&str, u64)]) -> Result<NonZeroU64, QuantityError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(QuantityError::Form);
    }
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or(QuantityError::Unit)?;
    let number: u64 = number.parse().map_err(|_| QuantityError::TooLarge)?;
    let total = number.checked_mul(*factor).filter(|total| *total <= i64::MAX as u64).ok_or(QuantityError::TooLarge)?;
    NonZeroU64::new(total).ok_or(QuantityError::Zero)
}

/// In the largest unit that leaves a whole number.
fn write_measure(f: &mut fmt::Formatter<'_>, total: u64, units: &[(&str, u64)]) -> fmt::Result {
    let fitting = units.iter().find(|(_, factor)| total.is_multiple_of(*factor)).expect("the last factor is 1");
    write!(f, "{}{}", total / fitting.1, fitting.0)
}

impl Duration {
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(std::time::Duration::from_millis(milliseconds))
    }

    #[must_use]
    pub const fn get(self) -> std::time::Duration {
        self.0
    }
}

impl FromStr for Duration {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        measure(text, &DURATIONS).map(|milliseconds| Self::from_millis(milliseconds.get()))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        write_measure(f, milliseconds, &DURATIONS)
    }
}

impl Size {
    /// # Panics
    /// If there are none.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(NonZeroU64::new(bytes).expect("a size of nothing is no size"))
    }

    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0.get()
    }
}

impl FromStr for Size {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        measure(text, &SIZES).map(Self)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_measure(f, self.0.get(), &SIZES)
    }
}

impl Period {
    #[must_use]
    pub const fn get(self) -> std::time::Duration {
        std::time::Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86400,
        })
    }
}

impl Rate {
    /// # Panics
    /// If there are none.
    #[must_use]
    pub const fn per_minute(times: u64) -> Self {
        Self { times: NonZeroU64::new(times).expect("a rate of nothing is no rate"), per: Period::Minute }
    }
}

impl FromStr for Rate {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (times, per) = text.split_once('/').ok_or(QuantityError::Form)?;
        if times.is_empty() || !times.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(QuantityError::Form);
        }
        let per = match per {
            "s" => Period::Second,
            "m" => Period::Minute,
            "h" => Period::Hour,
            "d" => Period::Day,
            _ => return Err(QuantityError::Unit),
        };
        let times = times.parse().map_err(|_| QuantityError::TooLarge)?;
        Ok(Self { times: NonZeroU64::new(times).ok_or(QuantityError::Zero)?, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per {
            Period::Second => 's',
            Period::Minute => 'm',
            Period::Hour => 'h',
            Period::Day => 'd',
        };
        write!(f, "{}/{per}", self.times)
    }
}

impl FromStr for Backoff {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, longest) = text.split_once("..").ok_or(QuantityError::Form)?;
        let (first, longest) = (first.parse()?, longest.parse()?);
        if first > longest {
            return Err(QuantityError::Order);
        }
        Ok(Self { first, longest })
    }
}

impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.longest)
    }
}

crate::read::quantity! {
    Duration: Duration, "a duration such as `250ms`, `5s` or `10m`", "^[0-9]+(ms|s|m|h|d)$";
    Size: Size, "a size such as `64KiB` or `1MB`", "^[0-9]+(B|kB|MB|GB|KiB|MiB|GiB)$";
    Rate: Rate, "a rate such as `60/m`", "^[0-9]+/[smhd]$";
    Backoff: Duration, "a back-off such as `1s..1m`", "^[0-9]+(ms|s|m|h|d)[.][.][0-9]+(ms|s|m|h|d)$";
}
