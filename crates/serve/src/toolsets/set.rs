//! Some of the toolsets of one catalog, by their places in it.

/// Copied, compared and intersected on the way of every call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Set(u128);

impl Set {
    pub(super) const MOST: usize = super::MOST;

    pub(super) fn first(count: usize) -> Self {
        debug_assert!(count <= Self::MOST, "a catalog has so many at most");
        Self(if count >= Self::MOST { u128::MAX } else { (1 << count) - 1 })
    }

    pub(super) fn one(place: usize) -> Self {
        Self(1 << place)
    }

    pub(super) fn contains(self, place: usize) -> bool {
        self.meets(Self::one(place))
    }

    pub(super) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[must_use]
    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        (0..Self::MOST).filter(move |place| self.contains(*place))
    }
}
