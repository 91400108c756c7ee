//! How many of the connections one address may have, so that nobody takes all of them.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::IpNet;

#[derive(Debug)]
pub(super) struct Shares {
    most: usize,
    /// From there connections are of many callers.
    proxies: Vec<IpNet>,
    held: Mutex<HashMap<IpAddr, usize>>,
}

/// One of them, for as long as the connection lasts.
#[derive(Debug)]
pub(super) struct Share(Option<(Arc<Shares>, IpAddr)>);

impl Shares {
    pub(super) fn new(most: usize, proxies: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self { most, proxies, held: Mutex::default() })
    }

    /// `None` when this address has as many as it may.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Share> {
        if self.proxies.iter().any(|proxy| proxy.contains(peer)) {
            return Some(Share(None));
        }
        let owner = owner(peer);
        let mut held = self.held();
        let count = held.entry(owner).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share(Some((self.clone(), owner))))
    }

    fn held(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who has one IPv6 address mostly has all of its /64.
fn owner(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((shares, owner)) = self.0.take() else { return };
        let mut held = shares.held();
        if let Some(count) = held.get_mut(&owner) {
            *count -= 1;
            if *count == 0 {
                held.remove(&owner);
            }
        }
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
        let shares = Shares::new(2, vec![IpNet::parse("10.0.0.0/8").expect("a network")]);
        let held: Vec<_> =
            ["192.0.2.1", "::ffff:192.0.2.1"].map(|peer| shares.take(ip(peer)).expect("its share")).into();
        assert!(shares.take(ip("192.0.2.1")).is_none());
        assert!(shares.take(ip("192.0.2.2")).is_some());
        let proxied: Vec<_> = (0..100).map(|_| shares.take(ip("10.1.2.3")).expect("not counted")).collect();
        drop((held, proxied));
        assert!(shares.take(ip("192.0.2.1")).is_some());
        assert!(shares.held().is_empty(), "who has none is not remembered");
    }

    #[test]
    fn the_addresses_of_one_network_of_ipv6_are_one() {
        let shares = Shares::new(1, Vec::new());
        let _held = shares.take(ip("2001:db8:1:2::1")).expect("its share");
        assert!(shares.take(ip("2001:db8:1:2:ffff::")).is_none());
        assert!(shares.take(ip("2001:db8:1:3::1")).is_some());
    }
}
