use std::cell::Cell;

use super::*;
use crate::encode::{FurtherPieces, Maskable};
use crate::encode_stream::{encode_beside_stream, encode_maskable_stream, encode_stream};
use crate::examples::{TextColumns, texts};
use crate::sources::{DataFormat, Form, Wanted};
use crate::tokenize::tests::{TINY, tokenizer_of};
use crate::tokenize::tokenized::tests::rows;
use crate::tokenize::{Beside, Piece};

struct Folder {
    folder: tempfile::TempDir,
    /// How often tables were made into texts.
    made: Cell<usize>,
}

const TEXT: &[Wanted<'_>] = &[Wanted::Text("text")];

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), made: Cell::new(0) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        fs::create_dir_all(self.path("data")).expect("a folder");
        let path = self.path("data").join(name);
        fs::write(&path, content).expect("a file");
        path
    }

    fn cache(&self) -> TokenCache {
        TokenCache::open(&self.path("deep/cache")).expect("a cache")
    }

    fn cached(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("deep/cache")).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }

    /// The tokens, and whether they had to be made.
    fn encode(&self, source: &DataSource<'_>, max_length: usize, extra: &str) -> Result<(Tokenized, bool), DataError> {
        let tokenizer = tokenizer_of(TINY, max_length).expect("a tokenizer");
        let columns = TextColumns::Single("text".into());
        let before = self.made.get();
        let to_texts = |table: &crate::Table| {
            self.made.set(self.made.get() + 1);
            texts(table, &columns)
        };
        let found = encode_stream(source, &tokenizer, Some(&self.cache()), to_texts, extra)?;
        let plain = encode_stream(source, &tokenizer, None, |table| texts(table, &columns), extra)?;
        assert_eq!((rows(&found), found.truncated), (rows(&plain), plain.truncated));
        Ok((found, self.made.get() > before))
    }

    fn is_made(&self, source: &DataSource<'_>, max_length: usize, extra: &str) -> bool {
        self.encode(source, max_length, extra).expect("tokens").1
    }
}

#[test]
fn tokens_are_made_once_and_anew_when_anything_is_other() {
    let folder = Folder::new();
    let path = folder.file("a.csv", "text,more\nthe cats,x\na b c a b c,y\n");
    let form = Form::default();
    let source = DataSource { path: &path, form: &form, wanted: TEXT };
    let (tokenized, is_made) = folder.encode(&source, 6, "").expect("tokens");
    assert!(is_made);
    assert_eq!((tokenized.len(), tokenized.truncated), (2, 1));
    assert!(!folder.is_made(&source, 6, ""));
    assert_eq!(folder.encode(&source, 6, "").expect("tokens").0.truncated, 1);

    // The same bytes elsewhere are the same.
    let moved = folder.file("b.csv", &fs::read_to_string(&path).expect("text"));
    assert!(!folder.is_made(&DataSource { path: &moved, ..source }, 6, ""));

    assert!(folder.is_made(&source, 7, ""));
    assert!(folder.is_made(&source, 6, "other"));
    let wanted = [Wanted::Text("text"), Wanted::Text("more")];
    assert!(folder.is_made(&DataSource { wanted: &wanted, ..source }, 6, ""));
    let stated = Form { format: DataFormat::Csv, ..Form::default() };
    assert!(folder.is_made(&DataSource { form: &stated, ..source }, 6, ""));
    folder.file("a.csv", "text,more\nthe cats,x\na b c a b d,y\n");
    assert!(folder.is_made(&source, 6, ""));
    folder.file("a.csv", "text,more\nthe cats,x\na b c a b c,y\n");
    assert!(!folder.is_made(&source, 6, ""));
}

#[test]
fn every_file_of_a_folder_counts_in_its_order() {
    let folder = Folder::new();
    folder.file("a.csv", "text\na\n");
    folder.file("b.csv", "text\nb\n");
    let (path, form) = (folder.path("data"), Form::default());
    let source = DataSource { path: &path, form: &form, wanted: TEXT };
    assert!(folder.is_made(&source, 6, ""));
    assert!(!folder.is_made(&source, 6, ""));
    folder.file("a.csv", "text\nb\n");
    folder.file("b.csv", "text\na\n");
    assert!(folder.is_made(&source, 6, ""));
    folder.file("c.csv", "text\nc\n");
    assert!(folder.is_made(&source, 6, ""));
}

#[test]
fn what_is_torn_is_made_anew_and_what_fails_is_not_kept() {
    let folder = Folder::new();
    let form = Form::default();
    let broken = folder.file("b.csv", "text\na\n\"b\n");
    let source = DataSource { path: &broken, form: &form, wanted: TEXT };
    assert!(matches!(folder.encode(&source, 6, ""), Err(DataError::UnclosedQuote { .. })));
    assert!(folder.cached().is_empty());

    let path = folder.file("a.csv", "text\na\n");
    let source = DataSource { path: &path, form: &form, wanted: TEXT };
    assert!(folder.is_made(&source, 6, ""));
    let [stored] = &folder.cached()[..] else { unreachable!("one file") };
    let whole = fs::read(stored).expect("bytes");
    fs::write(stored, &whole[..whole.len() - 1]).expect("a file");
    assert!(folder.is_made(&source, 6, ""));
    assert_eq!(fs::read(stored).expect("bytes"), whole);
}

#[test]
fn data_that_changes_meanwhile_is_refused() {
    let folder = Folder::new();
    let path = folder.file("a.csv", "text\na\n");
    let source = DataSource { path: &path, form: &Form::default(), wanted: TEXT };
    let tokenizer = tokenizer_of(TINY, 6).expect("a tokenizer");
    let to_texts = |table: &crate::Table| {
        folder.file("a.csv", "text\na\nb\n");
        texts(table, &TextColumns::Single("text".into()))
    };
    let error = encode_stream(&source, &tokenizer, Some(&folder.cache()), to_texts, "").expect_err("an error");
    assert!(matches!(error, DataError::Changed { .. }), "{error}");
    assert!(folder.cached().is_empty());
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let folder = Folder::new();
    let form = Form::default();
    let paths = ["a", "b", "c"].map(|name| folder.file(&format!("{name}.csv"), &format!("text\n{name}\n")));
    let source = |path| DataSource { path, form: &form, wanted: TEXT };
    assert!(folder.is_made(&source(&paths[0]), 6, "") && folder.is_made(&source(&paths[1]), 6, ""));
    let size = fs::metadata(&folder.cached()[0]).expect("a file").len();
    for file in folder.cached() {
        let file = File::options().append(true).open(file).expect("a file");
        file.set_modified(SystemTime::now() - 2 * ABANDONED).expect("a time");
    }
    let abandoned = folder.path("deep/cache/.x.partial");
    File::create(&abandoned).and_then(|file| file.set_modified(SystemTime::now() - 2 * ABANDONED)).expect("a file");
    fs::write(folder.path("deep/cache/.y.partial"), "").expect("a file");
    fs::write(folder.path("deep/cache/notes.txt"), "not ours").expect("a file");

    // `a` was made before `b`, and used after it.
    assert!(!folder.is_made(&source(&paths[0]), 6, ""));
    let cache = folder.cache().with_limit(2 * size);
    let tokenizer = tokenizer_of(TINY, 6).expect("a tokenizer");
    let columns = TextColumns::Single("text".into());
    encode_stream(&source(&paths[2]), &tokenizer, Some(&cache), |table| texts(table, &columns), "").expect("tokens");
    assert!(!abandoned.exists());
    assert_eq!(folder.cached().len(), 4);
    assert!(!folder.is_made(&source(&paths[0]), 6, "") && !folder.is_made(&source(&paths[2]), 6, ""));
    assert!(folder.is_made(&source(&paths[1]), 6, ""));

    // What was made last stays, however large.
    let cache = folder.cache().with_limit(1);
    encode_stream(&source(&paths[2]), &tokenizer, Some(&cache), |table| texts(table, &columns), "x").expect("tokens");
    assert!(!folder.is_made(&source(&paths[2]), 6, "x"));
    assert_eq!(folder.cached().len(), 3);
}

#[test]
fn the_version_names_the_library() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml")).expect("a file");
    let (_, version) = VERSION.rsplit_once(' ').expect("a version");
    assert!(manifest.contains(&format!("tokenizers = {{ version = \"={version}\"")), "{VERSION}");
}

/// Ids, types and pieces of every sequence.
fn marked(tokenized: &Tokenized) -> Vec<(Vec<u32>, Vec<u8>, Vec<Piece>)> {
    let with_pieces = |(row, (ids, type_ids))| {
        let mut pieces = Vec::new();
        tokenized.read_pieces(row, &mut pieces).expect("pieces");
        (ids, type_ids, pieces)
    };
    rows(tokenized).into_iter().enumerate().map(with_pieces).collect()
}

#[test]
fn sequences_to_mask_are_those_of_the_whole() {
    let folder = Folder::new();
    // More lines than a table has.
    let lines: Vec<String> = (0..66_000_usize).map(|row| "a b ".repeat(row % 2 + 1)).collect();
    let path = folder.file("a.txt", &(lines.join("\n") + "\n"));
    let source = DataSource { path: &path, form: &Form::default(), wanted: TEXT };
    let tokenizer = tokenizer_of(TINY, 5).expect("a tokenizer");
    let some: Vec<usize> = (0..lines.len()).filter(|row| row % 1000 > 990).collect();
    for (sequences, chosen) in [
        (Maskable::Blocks, None),
        (Maskable::Blocks, Some(some.as_slice())),
        (Maskable::Lines, Some(some.as_slice())),
        (Maskable::Lines, Some(&[])),
    ] {
        let of = |cache| {
            let to_texts = |table: &crate::Table| {
                folder.made.set(folder.made.get() + 1);
                Ok(table.column("text")?.iter().flatten().map(str::to_owned).collect())
            };
            encode_maskable_stream(&source, &tokenizer, cache, to_texts, sequences, chosen).expect("tokens")
        };
        let texts = chosen.map_or(lines.clone(), |rows| rows.iter().map(|row| lines[*row].clone()).collect());
        let whole = match sequences {
            Maskable::Blocks => tokenizer.encode_blocks(&texts),
            Maskable::Lines => tokenizer.encode_lines(&texts),
        };
        let whole = whole.expect("tokens");
        let cache = folder.cache();
        let first = of(Some(&cache));
        let made = folder.made.get();
        for found in [first, of(Some(&cache)), of(None)] {
            assert!(marked(&found) == marked(&whole), "{sequences:?}, {:?}", chosen.map(<[usize]>::len));
            assert_eq!(found.truncated, whole.truncated);
        }
        assert_eq!(folder.made.get(), made + 2, "the second time it was in the cache, of two tables");
    }
    assert_eq!(folder.cached().len(), 4);
}

#[test]
fn sequences_and_what_stands_beside_them_are_those_of_the_whole() {
    let folder = Folder::new();
    // More sentences than a table has, of which some are longer than a sequence.
    let sentences: Vec<Vec<String>> =
        (0..66_000_usize).map(|row| ["a", "b"].repeat(row % 3 + 1).into_iter().map(str::to_owned).collect()).collect();
    let tag = |row: usize, word: usize| (row % 5 + word % 2) as u32;
    let text: String = (sentences.iter().enumerate())
        .map(|(row, words)| {
            let line = |(place, word): (usize, &String)| format!("{word} {}\n", tag(row, place));
            words.iter().enumerate().map(line).collect::<String>() + "\n"
        })
        .collect();
    let path = folder.file("a.conll", &text);
    let wanted = [Wanted::List("tokens"), Wanted::List("tags")];
    let form = Form { format: DataFormat::Conll, ..Form::default() };
    let source = DataSource { path: &path, form: &form, wanted: &wanted };
    let tokenizer = tokenizer_of(TINY, 5).expect("a tokenizer");
    // `[n][words]`, and what `encode_words` and `align` make of them.
    let encoded = |words: &[Vec<String>], tags: &[Vec<u32>]| {
        let mut encoded = tokenizer.encode_words(words)?;
        let labels = encoded.align(tags, FurtherPieces::Ignored)?;
        let tokenized = std::mem::take(&mut encoded.tokenized);
        let row = |row: usize| labels[tokenized.range(row)].iter().map(|label| (label + 100) as u32);
        let beside = Beside::from_rows((0..tokenized.len()).map(row));
        Ok((tokenized, beside))
    };
    let numbers =
        |beside: &Beside| -> Vec<Vec<u32>> { (0..beside.len()).map(|row| beside.read(row).expect("a row")).collect() };
    let some: Vec<usize> = (0..sentences.len()).filter(|row| row % 1000 > 990).collect();
    let all: Vec<usize> = (0..sentences.len()).collect();
    for chosen in [None, Some(some.as_slice()), Some(&[][..])] {
        let of = |cache| {
            let encode = |table: &crate::Table, here: &[usize]| {
                folder.made.set(folder.made.get() + 1);
                let of = |column: &str| -> Result<Vec<Vec<String>>, DataError> {
                    let lists = table.lists(column)?;
                    let row = |row: &usize| lists[*row].iter().flatten().map(|word| (*word).to_owned()).collect();
                    Ok(here.iter().map(row).collect())
                };
                let number = |tag: &String| tag.parse().expect("a number");
                let tags = of("tags")?.iter().map(|tags| tags.iter().map(number).collect()).collect::<Vec<_>>();
                encoded(&of("tokens")?, &tags)
            };
            encode_beside_stream(&source, &tokenizer, cache, encode, chosen, "words").expect("tokens")
        };
        let rows_of_it = chosen.unwrap_or(&all);
        let words: Vec<Vec<String>> = rows_of_it.iter().map(|row| sentences[*row].clone()).collect();
        let tags = |row: &usize| (0..sentences[*row].len()).map(|word| tag(*row, word)).collect();
        let whole = encoded(&words, &rows_of_it.iter().map(tags).collect::<Vec<_>>()).expect("tokens");
        let cache = folder.cache();
        let first = of(Some(&cache));
        let made = folder.made.get();
        for found in [first, of(Some(&cache)), of(None)] {
            assert!(rows(&found.0) == rows(&whole.0), "{:?}", chosen.map(<[usize]>::len));
            assert!(numbers(&found.1) == numbers(&whole.1), "{:?}", chosen.map(<[usize]>::len));
        }
        assert_eq!(folder.made.get(), made + 2, "the second time it was in the cache, of two tables");
    }
    assert_eq!(folder.cached().len(), 3);
}
