//! Time that never goes back, and ids in its order.

use std::{
    sync::atomic::{AtomicI64, AtomicU32, Ordering},
    time::{Duration, SystemTime},
};

use ring::rand::{SecureRandom as _, SystemRandom};

/// Milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    pub const DAY: i64 = 24 * 60 * 60 * 1000;

    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.unsigned_abs())
    }

    /// Days since 1970, in UTC.
    #[must_use]
    pub fn day(self) -> i64 {
        self.0.div_euclid(Self::DAY)
    }

    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// While the machine's clock is behind what is written down, time stands still here: what is kept stays in order.
#[derive(Debug, Default)]
pub struct Clock {
    latest: AtomicI64,
    ids: AtomicU32,
}

impl Clock {
    pub fn now(&self) -> Timestamp {
        self.at(machine_now())
    }

    fn at(&self, machine: i64) -> Timestamp {
        Timestamp(self.latest.fetch_max(machine, Ordering::Relaxed).max(machine))
    }

    /// Something was written down at this time. Returns how far the machine is behind it.
    pub fn seen(&self, time: Timestamp) -> Duration {
        let machine = machine_now();
        self.at(time.0);
        Duration::from_millis(u64::try_from(time.0 - machine).unwrap_or_default())
    }

    /// Later ones are greater.
    pub fn id(&self) -> String {
        // A new millisecond is not needed for a new id: those of one are counted, and random beyond that.
        let number = self.ids.fetch_add(1, Ordering::Relaxed) & 0xff_ffff;
        let mut random = [0; 5];
        SystemRandom::new().fill(&mut random).expect("the machine has random numbers");
        let random = random.iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        format!("{:012x}{number:06x}{random:010x}", self.now().0)
    }

    /// When an id was made.
    #[must_use]
    pub fn time_of(id: &str) -> Option<Timestamp> {
        i64::from_str_radix(id.get(..12)?, 16).ok().map(Timestamp)
    }
}

fn machine_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back_when_the_machine_s_clock_does() {
        let clock = Clock::default();
        assert_eq!([clock.at(10), clock.at(4), clock.at(11)], [Timestamp(10), Timestamp(10), Timestamp(11)]);
        let far = Timestamp(machine_now() + 3_600_000);
        assert!(clock.seen(far) > Duration::from_secs(3_500));
        assert_eq!(clock.now(), far);
        assert_eq!(clock.seen(Timestamp(0)), Duration::ZERO);
    }

    #[test]
    fn ids_are_in_the_order_in_which_they_were_made() {
        let clock = Clock::default();
        let ids: Vec<String> = (0..1000).map(|_| clock.id()).collect();
        assert!(ids.is_sorted());
        assert_eq!(ids[0].len(), 28);
        assert!(Clock::time_of(&ids[0]).unwrap() <= clock.now());
    }
}
