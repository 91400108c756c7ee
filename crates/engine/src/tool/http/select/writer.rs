//! Writes the selected value as `returns` wants it, and stops at the caps.

use std::sync::Arc;

use super::{Fault, Lexeme, Selected};
use crate::{
    json::{is_number, write_string},
    rows::{Caps, Cut, Rows},
    shape::{ObjectShape, Shape, ShapeContent},
};

/// Fields of one object that are written only once, however often they come.
const COUNTED_FIELDS: usize = 128;

#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    root: Option<Root>,
    shape: Shape,
    caps: Caps,
    open: Vec<Open>,
    /// What the next value in an object is.
    key: Key,
    /// Containers that are left out, within each other.
    left_out: usize,
    skip: u64,
    count: u64,
    row_start: usize,
    cut: Option<Cut>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Root {
    Array,
    Object,
    Scalar,
}

#[derive(Debug)]
struct Open {
    kind: Container,
    empty: bool,
}

#[derive(Debug)]
enum Container {
    Array { items: Shape },
    Object { shape: Option<Arc<ObjectShape>>, seen: u128 },
}

#[derive(Debug)]
enum Key {
    None,
    /// Its value is left out.
    Dropped,
    Kept {
        name: String,
        shape: Shape,
        drop_null: bool,
    },
}

#[derive(Debug)]
pub enum Scalar<'a> {
    Text(Lexeme<'a>),
    Number(Lexeme<'a>),
    Boolean(bool),
    Null,
}

impl Writer {
    pub fn new(shape: Shape, caps: Caps, skip: u64) -> Self {
        Self {
            out: Vec::new(),
            root: None,
            shape,
            caps,
            open: Vec::new(),
            key: Key::None,
            left_out: 0,
            skip,
            count: 0,
            row_start: 0,
            cut: None,
        }
    }

    pub fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    pub fn key(&mut self, name: &str) {
        if self.left_out > 0 {
            return;
        }
        let Some(Open { kind: Container::Object { shape, seen }, .. }) = self.open.last_mut() else { return };
        let kept = |shape, drop_null| Key::Kept { name: name.to_owned(), shape, drop_null };
        self.key = match shape {
            None => kept(Shape::ANY, false),
            Some(object) => match object.fields.iter().position(|field| field.name == name) {
                Some(index) if index < COUNTED_FIELDS && *seen & (1 << index) != 0 => Key::Dropped,
                Some(index) => {
                    if index < COUNTED_FIELDS {
                        *seen |= 1 << index;
                    }
                    let field = &object.fields[index];
                    kept(field.shape.clone(), !field.shape.types.null && !field.required)
                }
                None if object.keep_others => kept(Shape::ANY, false),
                None => Key::Dropped,
            },
        };
    }

    pub fn open(&mut self, object: bool) -> Result<(), Fault> {
        if self.left_out > 0 {
            self.left_out += 1;
            return Ok(());
        }
        let root = self.root.is_none();
        let Some(shape) = self.begin(if object { Root::Object } else { Root::Array }, false) else {
            self.left_out += usize::from(self.cut.is_none());
            return Ok(());
        };
        let kind = match (object, shape.content) {
            (true, ShapeContent::Object(shape)) => Container::Object { shape: Some(shape), seen: 0 },
            (true, _) => Container::Object { shape: None, seen: 0 },
            (false, ShapeContent::Items(items)) => Container::Array { items: (*items).clone() },
            (false, _) => Container::Array { items: Shape::ANY },
        };
        // The brackets of the rows are those of the answer around them.
        if !root || object {
            self.out.push(if object { b'{' } else { b'[' });
        }
        self.open.push(Open { kind, empty: true });
        self.check()
    }

    /// Whether that was the end of the selected value.
    pub fn close(&mut self) -> Result<bool, Fault> {
        if self.left_out > 0 {
            self.left_out -= 1;
            return Ok(false);
        }
        let Some(closed) = self.open.pop() else { return Ok(true) };
        match closed.kind {
            Container::Object { .. } => self.out.push(b'}'),
            Container::Array { .. } if !self.open.is_empty() => self.out.push(b']'),
            Container::Array { .. } => {}
        }
        self.end_of_value()
    }

    /// Whether that was the selected value.
    pub fn scalar(&mut self, scalar: Scalar<'_>) -> Result<bool, Fault> {
        if self.left_out > 0 {
            return Ok(false);
        }
        let Some(shape) = self.begin(Root::Scalar, matches!(scalar, Scalar::Null)) else { return Ok(false) };
        let types = shape.types;
        let convertible = matches!(shape.content, ShapeContent::Free);
        match scalar {
            Scalar::Null => self.out.extend_from_slice(b"null"),
            Scalar::Boolean(value) => self.out.extend_from_slice(if value { b"true" } else { b"false" }),
            Scalar::Number(digits) if convertible && types.only_string() => write_string(&mut self.out, &digits),
            Scalar::Number(digits) => self.out.extend_from_slice(digits.as_bytes()),
            Scalar::Text(text) if convertible && types.numeric() && is_number(&text) => {
                self.out.extend_from_slice(text.as_bytes());
            }
            Scalar::Text(text) => write_string(&mut self.out, &text),
        }
        self.end_of_value()
    }

    pub fn finish(self) -> Result<Selected, Fault> {
        Ok(match self.root {
            Some(Root::Array) => {
                Selected::Rows(Rows { json: self.out, count: self.count, cut: self.cut, dead_end: None })
            }
            Some(Root::Object) => Selected::Object(self.out),
            Some(Root::Scalar) | None => Selected::Scalar(self.out),
        })
    }

    /// Writes what stands in front of a value, and says what shape it has; `None` if it is left out.
    fn begin(&mut self, root: Root, null: bool) -> Option<Shape> {
        if self.cut.is_some() {
            return None;
        }
        if self.root.is_none() {
            self.root = Some(root);
            return Some(self.shape.clone());
        }
        let row = self.is_row();
        if row && self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        if row && self.caps.max_rows.is_some_and(|most| self.count >= most) {
            self.cut = Some(Cut::Rows);
            return None;
        }
        if row {
            self.row_start = self.out.len();
        }
        let open = self.open.last_mut()?;
        let shape = match &open.kind {
            Container::Array { items } => items.clone(),
            Container::Object { .. } => match std::mem::replace(&mut self.key, Key::None) {
                Key::Kept { drop_null: true, .. } if null => return None,
                Key::Kept { name, shape, .. } => {
                    if !std::mem::take(&mut open.empty) {
                        self.out.push(b',');
                    }
                    write_string(&mut self.out, &name);
                    self.out.push(b':');
                    return Some(shape);
                }
                Key::Dropped | Key::None => return None,
            },
        };
        if !std::mem::take(&mut open.empty) {
            self.out.push(b',');
        }
        Some(shape)
    }

    /// The value at hand is an item of the selected array.
    fn is_row(&self) -> bool {
        self.root == Some(Root::Array) && self.open.len() == 1
    }

    fn end_of_value(&mut self) -> Result<bool, Fault> {
        self.check()?;
        if self.is_row() && self.cut.is_none() {
            self.count += 1;
        }
        Ok(self.open.is_empty())
    }

    fn check(&mut self) -> Result<(), Fault> {
        let Some(most) = self.caps.max_bytes.filter(|most| self.out.len() as u64 > *most) else { return Ok(()) };
        if self.root != Some(Root::Array) {
            return Err(Fault::TooLarge(most));
        }
        self.out.truncate(self.row_start);
        self.cut = Some(Cut::Bytes);
        Ok(())
    }
}
