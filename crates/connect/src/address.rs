//! Which addresses are on the public internet. What is not certainly there is not: one list, for databases and HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Denied, Grant, Policy};

/// An address that is not public needs the grant.
pub(crate) fn check(address: IpAddr, policy: &Policy) -> Result<(), Denied> {
    if is_public(address) { Ok(()) } else { policy.check(Grant::PrivateNetworks) }
}

pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0 // this network
        || a == 10
        || (a == 100 && (64..128).contains(&b)) // carrier-grade NAT
        || a == 127
        || (a == 169 && b == 254) // link-local, with the metadata services
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 0 && (c == 0 || c == 2)) // protocol assignments, documentation
        || (a == 192 && b == 88 && c == 99) // 6to4 relays
        || (a == 192 && b == 168)
        || (a == 198 && (18..20).contains(&b)) // benchmarks
        || (a == 198 && b == 51 && c == 100) // documentation
        || (a == 203 && b == 0 && c == 113) // documentation
        || a >= 224) // multicast, reserved, broadcast
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let low = || v4(segments[6], segments[7]);
    match segments {
        // An IPv4 address in another form is judged as what it is.
        [0, 0, 0, 0, 0, 0xffff, ..] => is_public_v4(low()), // mapped
        [0, 0, 0, 0, 0xffff, 0, ..] => is_public_v4(low()), // translated
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_public_v4(low()), // NAT64
        [0x2002, high, middle, ..] => is_public_v4(v4(high, middle)), // 6to4
        // Unspecified, loopback, compatible, and the rest of ::/8, local NAT64, discard.
        [0..=0xff, ..] | [0x100, ..] => false,
        // Teredo holds the addresses of a server and of a client; ORCHID, benchmarks and other protocols.
        [0x2001, 0..=0x1ff, ..] => false,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false, // documentation
        // Global unicast is 2000::/3. Unique local, link-local, site-local and multicast are above it.
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn another_form_of_an_address_is_no_way_around(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let [a, b, c, d] = address.octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            let forms = [
                address.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
            ];
            for form in forms {
                prop_assert_eq!(is_public(form.into()), is_public(address.into()), "{}", form);
            }
            prop_assert!(!is_public(address.to_ipv6_compatible().into()));
            let std_says_no = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_broadcast() || address.is_documentation() || address.is_unspecified() || address.is_multicast();
            prop_assert!(!(std_says_no && is_public(address.into())));
        }
    }

    #[test]
    fn nothing_but_the_public_internet_is_public() {
        let private = "
            0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1
            172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.7
            203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
            :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1
            64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1
            2001:10::1 2001:20::1 2001:db8::1 3fff::1 2002:7f00:1:: 2002:a00:1:: 2002:c0a8:101::1 fc00::1 fd00:ec2::254 fe80::1
            fec0::1 ff02::1 4000::1 8000::1";
        for text in private.split_whitespace() {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        let public = "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 192.167.1.1
            193.0.0.1 198.17.0.1 198.20.0.1 223.255.255.255 2606:4700:4700::1111 2001:4860:4860::8888 2a00:1450::1
            ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1";
        for text in public.split_whitespace() {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
