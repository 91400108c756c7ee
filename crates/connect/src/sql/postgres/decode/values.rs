//! The types whose bytes are made of several values: numbers of any length, addresses, arrays, ranges, `hstore`.

use std::{fmt::Write, net::IpAddr};

use super::{super::super::Cell, Decode};

/// Takes big-endian values off the front.
#[derive(Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What was not taken.
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// A value behind its length; -1 is NULL.
    pub fn sized(&mut self) -> Option<Option<&'a [u8]>> {
        match self.i32()? {
            -1 => Some(None),
            length => self.take(usize::try_from(length).ok()?).map(Some),
        }
    }
}

pub fn numeric(mut reader: Reader<'_>, out: &mut String) -> Option<()> {
    let (count, weight, sign, scale) = (reader.i16()?, reader.i16()?, reader.i16()?.cast_unsigned(), reader.i16()?);
    match sign {
        0x0000 => {}
        0x4000 => out.push('-'),
        0xC000 => out.push_str("NaN"),
        0xD000 => out.push_str("Infinity"),
        0xF000 => out.push_str("-Infinity"),
        _ => return None,
    }
    if sign >= 0xC000 {
        return Some(());
    }
    let digits: Vec<i16> = (0..count).map(|_| reader.i16()).collect::<Option<_>>()?;
    // Groups of four digits; the first has the weight 10000^weight.
    let group =
        |position: i32| usize::try_from(position).ok().and_then(|index| digits.get(index)).copied().unwrap_or(0);
    if weight < 0 {
        out.push('0');
    }
    for position in 0..=i32::from(weight) {
        let digits = group(position);
        if position == 0 { write!(out, "{digits}").ok()? } else { write!(out, "{digits:04}").ok()? }
    }
    let scale = usize::try_from(scale).ok()?;
    if scale > 0 {
        out.push('.');
        let end = out.len() + scale;
        let mut position = i32::from(weight) + 1;
        while out.len() < end {
            write!(out, "{:04}", group(position)).ok()?;
            position += 1;
        }
        out.truncate(end);
    }
    Some(())
}

pub fn address(mut reader: Reader<'_>, out: &mut String) -> Option<()> {
    let (_family, bits, is_cidr, length) = (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?);
    let address: IpAddr = match length {
        4 => reader.array::<4>()?.into(),
        16 => reader.array::<16>()?.into(),
        _ => return None,
    };
    write!(out, "{address}").ok()?;
    if is_cidr != 0 || u16::from(bits) != u16::from(length) * 8 {
        write!(out, "/{bits}").ok()?;
    }
    Some(())
}

pub fn hstore(mut reader: Reader<'_>, out: &mut String) -> Option<()> {
    out.push('{');
    for index in 0..reader.i32()? {
        out.push_str(if index == 0 { "" } else { "," });
        let key = std::str::from_utf8(reader.sized()??).ok()?;
        Cell::Text(key).push_json(out);
        out.push(':');
        Decode::Text.json(reader.sized()?, out)?;
    }
    out.push('}');
    Some(())
}

pub fn array(mut reader: Reader<'_>, element: &Decode, out: &mut String) -> Option<()> {
    let dimensions = reader.i32()?;
    let (_has_nulls, _element_type) = (reader.i32()?, reader.i32()?);
    if dimensions == 0 {
        out.push_str("[]");
        return Some(());
    }
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(usize::try_from(reader.i32()?).ok()?);
        reader.i32()?;
    }
    dimension(&mut reader, &lengths, element, out)
}

fn dimension(reader: &mut Reader<'_>, lengths: &[usize], element: &Decode, out: &mut String) -> Option<()> {
    let Some((length, inner)) = lengths.split_first() else { return element.json(reader.sized()?, out) };
    out.push('[');
    for index in 0..*length {
        out.push_str(if index == 0 { "" } else { "," });
        dimension(reader, inner, element, out)?;
    }
    out.push(']');
    Some(())
}

pub fn range(mut reader: Reader<'_>, element: &Decode, out: &mut String) -> Option<()> {
    const EMPTY: u8 = 0x01;
    const LOWER_INCLUSIVE: u8 = 0x02;
    const UPPER_INCLUSIVE: u8 = 0x04;
    const LOWER_INFINITE: u8 = 0x08;
    const UPPER_INFINITE: u8 = 0x10;
    let flags = reader.u8()?;
    let has = |flag| flags & flag != 0;
    if has(EMPTY) {
        out.push_str("empty");
        return Some(());
    }
    out.push(if has(LOWER_INCLUSIVE) { '[' } else { '(' });
    if !has(LOWER_INFINITE) {
        element.text(reader.sized()??, out)?;
    }
    out.push(',');
    if !has(UPPER_INFINITE) {
        element.text(reader.sized()??, out)?;
    }
    out.push(if has(UPPER_INCLUSIVE) { ']' } else { ')' });
    Some(())
}
