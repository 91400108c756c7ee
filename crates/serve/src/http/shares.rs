//! How much of what all share one may have: of the connections one address, of the streams one principal. Nobody takes all.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::IpNet;

#[derive(Debug)]
pub(crate) struct Shares<K: Eq + Hash> {
    most: usize,
    held: Mutex<HashMap<K, usize>>,
}

/// One of them, for as long as it lasts.
#[derive(Debug)]
pub(crate) struct Share<K: Eq + Hash> {
    shares: Arc<Shares<K>>,
    owner: K,
}

impl<K: Eq + Hash + Clone> Shares<K> {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: Mutex::default() })
    }

    /// `None` when this one has as many as it may.
    pub(crate) fn take(self: &Arc<Self>, owner: K) -> Option<Share<K>> {
        let mut held = self.held();
        let count = held.get(&owner).copied().unwrap_or_default();
        if count >= self.most {
            return None;
        }
        held.insert(owner.clone(), count + 1);
        Some(Share { shares: self.clone(), owner })
    }
}

impl<K: Eq + Hash> Shares<K> {
    fn held(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut held = self.shares.held();
        if let Some(count) = held.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.owner);
            }
        }
    }
}

/// Of connections.
#[derive(Debug)]
pub(super) struct Addresses {
    shares: Arc<Shares<IpAddr>>,
    /// From there connections are of many callers.
    proxies: Vec<IpNet>,
}

impl Addresses {
    pub(super) fn new(most: usize, proxies: Vec<IpNet>) -> Self {
        Self { shares: Shares::new(most), proxies }
    }

    /// `Err` when this address has as many as it may, `None` for one that may have all.
    pub(super) fn take(&self, peer: IpAddr) -> Result<Option<Share<IpAddr>>, ()> {
        if self.proxies.iter().any(|proxy| proxy.contains(peer)) {
            return Ok(None);
        }
        self.shares.take(owner(peer)).map(Some).ok_or(())
    }
}

/// Who has one IPv6 address mostly has all of its /64.
fn owner(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_has_its_share_and_proxies_have_all() {
        let shares = Addresses::new(2, vec![IpNet::parse("10.0.0.0/8").expect("a network")]);
        let held: Vec<_> =
            ["192.0.2.1", "::ffff:192.0.2.1"].map(|peer| shares.take(ip(peer)).expect("its share")).into();
        assert!(shares.take(ip("192.0.2.1")).is_err());
        assert!(shares.take(ip("192.0.2.2")).is_ok());
        let proxied: Vec<_> = (0..100).map(|_| shares.take(ip("10.1.2.3")).expect("not counted")).collect();
        drop((held, proxied));
        assert!(shares.take(ip("192.0.2.1")).is_ok());
        assert!(shares.shares.held().is_empty(), "who has none is not remembered");
    }

    #[test]
    fn the_addresses_of_one_network_of_ipv6_are_one() {
        let shares = Addresses::new(1, Vec::new());
        let _held = shares.take(ip("2001:db8:1:2::1")).expect("its share");
        assert!(shares.take(ip("2001:db8:1:2:ffff::")).is_err());
        assert!(shares.take(ip("2001:db8:1:3::1")).is_ok());
    }
}
