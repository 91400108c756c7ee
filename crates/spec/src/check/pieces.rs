//! Texts taken apart into what stands as it is and what is filled in.

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Placeholder(String),
}

impl Piece {
    pub(super) fn is_placeholder(&self) -> bool {
        matches!(self, Self::Placeholder(_))
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PieceError {
    #[error("a `{{` that is never closed")]
    Open,
    #[error("a `}}` that closes nothing")]
    Close,
}

/// `{{` and `}}` are braces; a text without placeholders is one piece.
pub(super) fn parse(text: &str) -> Result<Vec<Piece>, PieceError> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(position) = rest.find(['{', '}']) {
        plain.push_str(&rest[..position]);
        rest = &rest[position..];
        if let Some(behind) = rest.strip_prefix("{{") {
            plain.push('{');
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix("}}") {
            plain.push('}');
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix('{') {
            let (name, behind) = behind.split_once('}').ok_or(PieceError::Open)?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Placeholder(name.to_owned()));
            rest = behind;
        } else {
            return Err(PieceError::Close);
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}
