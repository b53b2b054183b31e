//! From the tags of a sequence to the entities that they mark.
//!
//! A tag is a prefix and a type, as `B-PER`. What the prefixes mean is the scheme: that of L. A. Ramshaw and M. P.
//! Marcus, "Text chunking using transformation-based learning" (1995), and its kin compared by E. F. Tjong Kim Sang and
//! J. Veenstra, "Representing text chunks" (1999). Models predict sequences that no scheme allows, so what such a
//! sequence marks is a convention. The two here are those of seqeval 1.2.2: the lenient one is its default, and that of
//! the CoNLL-2000 evaluation script; the strict one is its `mode="strict"`. Two deviations: a tag that is empty is an
//! error, and each sequence is read on its own, where seqeval reads a corpus as one sequence with O between its parts.
//! The latter shows only in a lenient reading of tags with other prefixes than B, I, E, S and O: such a tag may end an
//! entity that has not begun, which here begins with its sequence, and there in the sequence in which one last began.

use serde::{Deserialize, Serialize};

use crate::error::MetricError;

/// A type and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entity {
    /// The type, such as `PER`; `_` where the tags have none.
    pub kind: String,
    /// The position of its first tag.
    pub start: usize,
    /// The position after its last tag.
    pub end: usize,
}

/// What prefixes there are, and what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Scheme {
    /// I inside; B only on the first tag of an entity that follows one of the same type.
    Iob1,
    /// B on the first tag of every entity, I on the others.
    Iob2,
    /// I inside; E only on the last tag of an entity that one of the same type follows. seqeval's authors note that its
    /// IOE1 does not get every case; this equals it.
    Ioe1,
    /// E on the last tag of every entity, I on the others.
    Ioe2,
    /// B on the first tag, E on the last, S on an only one, I on the others.
    Iobes,
    /// As IOBES, with L for E and U for S.
    Bilou,
}

/// How tags are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decoding {
    /// Any change of type, and any prefix that can begin or end an entity, does. Knows the prefixes B, I, E and S, so
    /// all schemes but BILOU.
    Lenient,
    /// What the scheme allows is an entity, and the rest is none.
    Strict(Scheme),
}

/// The entities that the tags of one sequence mark, in the order of their ends.
///
/// # Errors
///
/// [`MetricError::InvalidTag`] where a tag is empty or, in a strict reading, has a prefix that the scheme lacks.
pub fn entities<T: AsRef<str>>(tags: &[T], decoding: Decoding) -> Result<Vec<Entity>, MetricError> {
    match decoding {
        Decoding::Lenient => lenient(tags),
        Decoding::Strict(scheme) => strict(tags, scheme),
    }
}

fn lenient<T: AsRef<str>>(tags: &[T]) -> Result<Vec<Entity>, MetricError> {
    let mut entities = Vec::new();
    let (mut previous, mut previous_kind, mut start) = ('O', "", 0);
    for (position, tag) in tags.iter().map(AsRef::as_ref).chain(["O"]).enumerate() {
        let (prefix, rest) = split_prefix(tag, position, "a prefix and a type, such as B-PER, or O")?;
        let kind = match rest.split_once('-') {
            Some((_, kind)) => kind,
            None => rest,
        };
        let kind = if kind.is_empty() { "_" } else { kind };
        if ends(previous, prefix, previous_kind != kind) {
            entities.push(Entity { kind: previous_kind.to_owned(), start, end: position });
        }
        if starts(previous, prefix, previous_kind != kind) {
            start = position;
        }
        (previous, previous_kind) = (prefix, kind);
    }
    Ok(entities)
}

/// Whether an entity ends before this prefix.
fn ends(previous: char, prefix: char, other_kind: bool) -> bool {
    matches!((previous, prefix), ('E' | 'S', _) | ('B' | 'I', 'B' | 'S' | 'O'))
        || (!matches!(previous, 'O' | '.') && other_kind)
}

/// Whether an entity starts at this prefix.
fn starts(previous: char, prefix: char, other_kind: bool) -> bool {
    matches!((previous, prefix), (_, 'B' | 'S') | ('E' | 'S' | 'O', 'E' | 'I'))
        || (!matches!(prefix, 'O' | '.') && other_kind)
}

fn split_prefix<'a>(tag: &'a str, position: usize, expected: &'static str) -> Result<(char, &'a str), MetricError> {
    let mut rest = tag.chars();
    let prefix = rest.next().ok_or_else(|| MetricError::InvalidTag { tag: tag.to_owned(), position, expected })?;
    Ok((prefix, rest.as_str()))
}

fn strict<T: AsRef<str>>(tags: &[T], scheme: Scheme) -> Result<Vec<Entity>, MetricError> {
    let (prefixes, expected) = scheme.prefixes();
    let mut read = Vec::with_capacity(tags.len() + 1);
    for (position, tag) in tags.iter().map(AsRef::as_ref).chain(["O"]).enumerate() {
        let (prefix, rest) = split_prefix(tag, position, expected)?;
        if !prefixes.contains(prefix) {
            return Err(MetricError::InvalidTag { tag: tag.to_owned(), position, expected });
        }
        let kind = rest.trim_matches('-');
        read.push((prefix, if kind.is_empty() { "_" } else { kind }));
    }
    let mut entities = Vec::new();
    let (mut previous, mut start) = (('O', "_"), 0);
    while start < read.len() {
        let first = read[start];
        let mut end = start + 1;
        if scheme.starts(previous.0, first.0, previous.1 == first.1) {
            let pair = |end: usize| (read[end - 1].0, read[end].0, read[end - 1].1 == read[end].1);
            let inside = |(previous, prefix, same)| scheme.goes_on(previous, prefix, same);
            while end < read.len() && inside(pair(end)) {
                end += 1;
            }
            // Nothing starts at the O after the last tag, so there is a tag at `end`.
            let (before, prefix, same) = pair(end);
            if scheme.ends(before, prefix, same) {
                entities.push(Entity { kind: first.1.to_owned(), start, end });
            }
        }
        previous = read[end - 1];
        start = end;
    }
    Ok(entities)
}

impl Scheme {
    /// All prefixes of the scheme, and how to say it.
    fn prefixes(self) -> (&'static str, &'static str) {
        match self {
            Scheme::Iob1 | Scheme::Iob2 => ("IOB", "O, or I or B with a type"),
            Scheme::Ioe1 | Scheme::Ioe2 => ("IOE", "O, or I or E with a type"),
            Scheme::Iobes => ("IOBES", "O, or I, B, E or S with a type"),
            Scheme::Bilou => ("BILOU", "O, or B, I, L or U with a type"),
        }
    }

    /// Whether an entity starts at this prefix. `same` says that the tag before has the same type.
    fn starts(self, previous: char, prefix: char, same: bool) -> bool {
        match self {
            Scheme::Iob1 => match (previous, prefix) {
                ('O' | 'B', 'I') => true,
                ('I', 'I') => !same,
                ('I' | 'B', 'B') => same,
                _ => false,
            },
            Scheme::Iob2 => prefix == 'B',
            Scheme::Ioe1 => match (previous, prefix) {
                ('O' | 'E', 'I') => true,
                ('I', 'I') => !same,
                ('E', 'E') => same,
                _ => false,
            },
            Scheme::Ioe2 => match (previous, prefix) {
                ('O' | 'E', 'I' | 'E') => true,
                ('I', 'I' | 'E') => !same,
                _ => false,
            },
            Scheme::Iobes => matches!(prefix, 'B' | 'S'),
            Scheme::Bilou => matches!(prefix, 'B' | 'U'),
        }
    }

    /// Whether this prefix is one more of the entity that the tag before is of.
    fn goes_on(self, previous: char, prefix: char, same: bool) -> bool {
        same && match self {
            Scheme::Iob1 | Scheme::Iob2 => matches!((previous, prefix), ('B' | 'I', 'I')),
            Scheme::Ioe1 | Scheme::Ioe2 => matches!((previous, prefix), ('I', 'I' | 'E')),
            Scheme::Iobes => matches!((previous, prefix), ('B' | 'I', 'I' | 'E')),
            Scheme::Bilou => matches!((previous, prefix), ('B' | 'I', 'I' | 'L')),
        }
    }

    /// Whether what was entered may end before this prefix.
    fn ends(self, previous: char, prefix: char, same: bool) -> bool {
        match self {
            Scheme::Iob1 => match (previous, prefix) {
                ('I', 'O' | 'B') | ('B', 'O') => true,
                ('I' | 'B', 'I') => !same,
                ('B', 'B') => same,
                _ => false,
            },
            Scheme::Iob2 => match (previous, prefix) {
                ('I' | 'B', 'O' | 'B') => true,
                ('I' | 'B', 'I') => !same,
                _ => false,
            },
            Scheme::Ioe1 => match (previous, prefix) {
                ('I', 'O') => true,
                ('I', 'I' | 'E') => !same,
                ('E', 'I' | 'E') => same,
                _ => false,
            },
            Scheme::Ioe2 => previous == 'E',
            Scheme::Iobes => matches!(previous, 'S' | 'E'),
            Scheme::Bilou => matches!(previous, 'U' | 'L'),
        }
    }
}
