//! Lists in parts, with the same words everywhere: `after` and `limit` in the query, `next` in the answer.

use axum::{
    extract::{FromRequestParts, Query},
    http::{Uri, request::Parts},
};
use mcp_factory::registry::{Page, Paged};
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use crate::Problem;

/// Which part of a list is asked for.
#[derive(Debug, Default, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// The `next` of the page before.
    after: Option<String>,
    /// Default 50, at most 200.
    limit: Option<u32>,
}

impl Paging {
    pub fn page(self) -> Page {
        Page { after: self.after.unwrap_or_default(), limit: self.limit.unwrap_or(Page::default().limit) }
    }

    /// Of a whole list, which is in the order of its keys: what was removed meanwhile is not missed.
    pub fn sorted<T>(self, all: Vec<T>, key: impl Fn(&T) -> String) -> Paged<T> {
        let page = self.page();
        let begin = match page.after.as_str() {
            "" => 0,
            after => all.partition_point(|it| key(it).as_str() <= after),
        };
        cut(all, begin, &page, key)
    }

    /// Of a whole list in another order, that nothing is removed from.
    pub fn behind<T>(self, all: Vec<T>, key: impl Fn(&T) -> String) -> Result<Paged<T>, Problem> {
        let page = self.page();
        let begin = match page.after.as_str() {
            "" => Some(0),
            after => all.iter().position(|it| key(it) == after).map(|last| last + 1),
        };
        match begin {
            Some(begin) => Ok(cut(all, begin, &page, key)),
            None => Err(Problem::argument("`after` is no `next` of this list")),
        }
    }
}

fn cut<T>(all: Vec<T>, begin: usize, page: &Page, key: impl Fn(&T) -> String) -> Paged<T> {
    let limit = page.limit.clamp(1, Page::MOST) as usize;
    let is_more = all.len() > begin + limit;
    let entries: Vec<T> = all.into_iter().skip(begin).take(limit).collect();
    let next = if is_more { entries.last().map(key) } else { None };
    Paged { entries, next }
}

/// What stands behind the `?` of a list that takes more than which part of it.
#[derive(Debug)]
pub struct Listed<T>(pub Paging, pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Listed<T> {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Problem> {
        let pieces = head.uri.query().unwrap_or_default().split('&');
        let (paging, rest): (Vec<&str>, Vec<&str>) = pieces
            .filter(|piece| !piece.is_empty())
            .partition(|piece| matches!(piece.split('=').next(), Some("after" | "limit")));
        Ok(Self(read(&paging)?, read(&rest)?))
    }
}

fn read<T: DeserializeOwned>(pieces: &[&str]) -> Result<T, Problem> {
    let uri: Uri = format!("/?{}", pieces.join("&")).parse().expect("parts of a query are one");
    let query = Query::try_from_uri(&uri);
    query.map(|Query(asked)| asked).map_err(|rejection| Problem::argument(rejection.body_text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(list: &[u32], limit: u32, page: impl Fn(Paging, Vec<u32>) -> Paged<u32>) -> Vec<u32> {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let Paged { entries, next } = page(Paging { after, limit: Some(limit) }, list.to_vec());
            assert!(entries.len() <= limit as usize);
            seen.extend(entries);
            if next.is_none() {
                return seen;
            }
            after = next;
        }
    }

    #[test]
    fn pages_together_are_the_list() {
        let key = |it: &u32| format!("{it:03}");
        for length in 0..7 {
            let list: Vec<u32> = (0..length).collect();
            let reversed: Vec<u32> = list.iter().rev().copied().collect();
            for limit in 1..8 {
                assert_eq!(all(&list, limit, |paging, list| paging.sorted(list, key)), list);
                assert_eq!(all(&reversed, limit, |paging, list| paging.behind(list, key).unwrap()), reversed);
            }
        }
        let behind_what_is_gone = Paging { after: Some("002".to_owned()), limit: None };
        assert_eq!(behind_what_is_gone.clone().sorted(vec![1, 3], key).entries, [3]);
        assert!(behind_what_is_gone.behind(vec![1, 3], key).is_err());
    }
}
