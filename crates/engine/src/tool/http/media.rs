//! What an answer is, by its `Content-Type` and by what the spec expects. Nothing is guessed from the bytes.

use encoding_rs::{DecoderResult, Encoding, UTF_8};
use http::{HeaderMap, header::CONTENT_TYPE};
use mime::Mime;

/// How a body is handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    Json(Charset),
    Text(Charset),
    Image(String),
    Audio(String),
    /// Bytes of this type.
    Binary(String),
}

/// The encoding of a text, or the name of one that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charset {
    Known(&'static Encoding),
    Unknown(String),
}

/// Types that are text, though not `text/`.
const TEXTS: [&str; 12] = [
    "application/xml",
    "application/javascript",
    "application/ecmascript",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
    "application/x-ndjson",
    "application/jsonl",
    "application/sql",
    "application/graphql",
    "application/x-sh",
    "application/x-www-form-urlencoded",
];

/// A text that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    #[error("text in the charset `{0}`, which is not known")]
    Unknown(String),
    #[error("text that is not {0}, though it says so")]
    Malformed(&'static str),
    #[error("text that is not UTF-8, and names no other charset")]
    Unnamed,
}

impl Media {
    /// `json`: the spec says that the answer is JSON, whatever it calls itself.
    #[must_use]
    pub fn of(headers: &HeaderMap, json: bool) -> Self {
        let written = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let Some(media) = written.and_then(|written| written.parse::<Mime>().ok()) else {
            let utf_8 = Charset::Known(UTF_8);
            return if json { Self::Json(utf_8) } else { Self::Binary("application/octet-stream".to_owned()) };
        };
        let essence = media.essence_str();
        let suffix = media.suffix().map(|suffix| suffix.as_str().to_owned());
        let is_json = matches!(essence, "application/json" | "text/json") || suffix.as_deref() == Some("json");
        let is_text = media.type_() == mime::TEXT
            || TEXTS.contains(&essence)
            || matches!(suffix.as_deref(), Some("xml" | "yaml"));
        if is_json || (json && (is_text || essence == "application/octet-stream")) {
            return Self::Json(Charset::of(&media));
        }
        if is_text {
            return Self::Text(Charset::of(&media));
        }
        let essence = essence.to_owned();
        match media.type_() {
            mime::IMAGE => Self::Image(essence),
            mime::AUDIO => Self::Audio(essence),
            _ => Self::Binary(essence),
        }
    }
}

impl Charset {
    fn of(media: &Mime) -> Self {
        let Some(label) = media.get_param(mime::CHARSET) else { return Self::Known(UTF_8) };
        let known = Encoding::for_label(label.as_str().as_bytes());
        known.map_or_else(|| Self::Unknown(label.as_str().chars().take(40).collect()), Self::Known)
    }

    #[must_use]
    pub fn is_utf_8(&self) -> bool {
        *self == Self::Known(UTF_8)
    }

    /// The text; what `cut` off its end may end within a character.
    pub fn decode(&self, bytes: &[u8], cut: bool) -> Result<String, Undecodable> {
        let encoding = match self {
            Self::Known(encoding) => encoding,
            Self::Unknown(name) => return Err(Undecodable::Unknown(name.clone())),
        };
        let mut decoder = encoding.new_decoder_with_bom_removal();
        let most = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
        let mut text = String::with_capacity(most.unwrap_or_default());
        match decoder.decode_to_string_without_replacement(bytes, &mut text, !cut).0 {
            DecoderResult::InputEmpty => Ok(text),
            DecoderResult::Malformed(..) if *encoding == UTF_8 => Err(Undecodable::Unnamed),
            DecoderResult::Malformed(..) | DecoderResult::OutputFull => Err(Undecodable::Malformed(encoding.name())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(media_type: &str, json: bool) -> Media {
        let headers = [(CONTENT_TYPE, media_type.parse().unwrap())].into_iter().collect();
        Media::of(&headers, json)
    }

    #[test]
    fn a_type_says_what_an_answer_is_and_the_spec_only_what_text_means() {
        let utf_8 = || Charset::Known(UTF_8);
        for (media_type, plain, expected) in [
            ("application/json", Media::Json(utf_8()), Media::Json(utf_8())),
            ("Application/Problem+JSON; charset=UTF-8", Media::Json(utf_8()), Media::Json(utf_8())),
            ("text/plain", Media::Text(utf_8()), Media::Json(utf_8())),
            ("image/svg+xml", Media::Text(utf_8()), Media::Json(utf_8())),
            ("application/x-ndjson", Media::Text(utf_8()), Media::Json(utf_8())),
            ("image/PNG", Media::Image("image/png".into()), Media::Image("image/png".into())),
            ("audio/ogg; codecs=opus", Media::Audio("audio/ogg".into()), Media::Audio("audio/ogg".into())),
            ("application/pdf", Media::Binary("application/pdf".into()), Media::Binary("application/pdf".into())),
            ("nonsense", Media::Binary("application/octet-stream".into()), Media::Json(utf_8())),
        ] {
            assert_eq!((of(media_type, false), of(media_type, true)), (plain, expected), "{media_type}");
        }
        assert_eq!(Media::of(&HeaderMap::new(), false), Media::Binary("application/octet-stream".into()));
    }

    #[test]
    fn a_charset_is_kept_to_or_refused() {
        let decode = |media_type: &str, bytes: &[u8], cut| match of(media_type, false) {
            Media::Text(charset) => charset.decode(bytes, cut),
            other => panic!("{other:?}"),
        };
        assert_eq!(decode("text/plain", "é".as_bytes(), false).as_deref(), Ok("é"));
        assert_eq!(decode("text/plain; charset=utf-8", b"\xef\xbb\xbfa", false).as_deref(), Ok("a"));
        assert_eq!(decode("text/plain; charset=ISO-8859-1", b"caf\xe9", false).as_deref(), Ok("café"));
        assert_eq!(decode("text/html; charset=\"shift_jis\"", b"\x83e\x83X\x83g", false).as_deref(), Ok("テスト"));
        assert_eq!(decode("text/plain", b"caf\xe9", false), Err(Undecodable::Unnamed));
        assert_eq!(decode("text/plain", b"a\xc3", true).as_deref(), Ok("a"));
        assert_eq!(decode("text/plain; charset=shift_jis", b"\x83", false), Err(Undecodable::Malformed("Shift_JIS")));
        assert_eq!(decode("text/plain; charset=klingon", b"a", false), Err(Undecodable::Unknown("klingon".into())));
    }
}
