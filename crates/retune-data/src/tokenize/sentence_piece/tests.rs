use proptest::prelude::*;

use super::*;

/// A message as the wire format has it: (field, wire type, what follows).
fn message(fields: &[(u64, u64, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (field, wire, content) in fields {
        bytes.extend(varint(field << 3 | wire));
        if *wire == 2 {
            bytes.extend(varint(content.len() as u64));
        }
        bytes.extend_from_slice(content);
    }
    bytes
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn sample() -> Vec<u8> {
    let unknown = message(&[(1, 2, b"<unk>"), (2, 5, &0_f32.to_le_bytes()), (3, 0, &[2])]);
    let control = message(&[(1, 2, b"<s>"), (3, 0, &[3])]);
    let word = message(&[(1, 2, "▁a".as_bytes()), (2, 5, &(-1.5_f32).to_le_bytes())]);
    let own = message(&[(3, 0, &[4]), (1, 2, b"(")]);
    // Fields that are not known are passed over, whatever their type.
    let trainer = message(&[(3, 0, &[2]), (40, 0, &varint(300)), (99, 1, &[0; 8]), (98, 5, &[0; 4]), (97, 2, b"x")]);
    let normalizer = message(&[(1, 2, b"nmt_nfkc"), (2, 2, &[7, 8, 9])]);
    message(&[(1, 2, &unknown), (1, 2, &control), (2, 2, &trainer), (1, 2, &word), (3, 2, &normalizer), (1, 2, &own)])
}

#[test]
fn the_fields_that_matter() {
    let piece = |text: &str, score, kind| Piece { text: text.to_owned(), score, kind };
    let expected = SentencePieceModel {
        pieces: vec![
            piece("<unk>", 0.0, PieceKind::Plain),
            piece("<s>", 0.0, PieceKind::Control),
            piece("▁a", -1.5, PieceKind::Plain),
            piece("(", 0.0, PieceKind::UserDefined),
        ],
        kind: ModelKind::BytePair,
        unknown: 300,
        character_map: vec![7, 8, 9],
    };
    assert_eq!(SentencePieceModel::parse(&sample()), Ok(expected));
}

#[test]
fn what_is_no_model_is_said() {
    assert_eq!(SentencePieceModel::parse(b""), Err("it has no pieces"));
    assert_eq!(SentencePieceModel::parse(&[0xFF; 11]), Err("it holds a number of more than 64 bits"));
    assert_eq!(
        SentencePieceModel::parse(&message(&[(1, 2, &message(&[(1, 2, &[0xFF])]))])),
        Err("a piece is not UTF-8")
    );
    assert_eq!(SentencePieceModel::parse(&[0x0A, 0x05, 0x00]), Err("it ends in the middle of a field"));
    assert_eq!(SentencePieceModel::parse(b"version https://git-lfs"), Err("it holds a field of unknown type"));
}

proptest! {
    #[test]
    fn cut_or_spoiled_files_are_errors_or_models(cut in 0..200_usize, at in 0..200_usize, byte: u8) {
        let mut bytes = sample();
        let length = bytes.len();
        bytes[at % length] = byte;
        let _ = SentencePieceModel::parse(&bytes);
        bytes.truncate(cut % length);
        let _ = SentencePieceModel::parse(&bytes);
    }
}
