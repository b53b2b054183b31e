//! Records as in TFRecord (`tensorflow/core/lib/io/record_writer.h`):
//!
//! ```text
//! length: u64 · masked CRC-32C of the length's bytes: u32 · the bytes · masked CRC-32C of the bytes: u32      all little-endian
//! ```

use std::io::{self, Write};

/// Writes one record.
pub fn write(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = (bytes.len() as u64).to_le_bytes();
    to.write_all(&length)?;
    to.write_all(&masked(&length).to_le_bytes())?;
    to.write_all(bytes)?;
    to.write_all(&masked(bytes).to_le_bytes())
}

/// The checksum turned and moved, so that a checksum of bytes that hold checksums is no trivial one
/// (`tensorflow/tsl/lib/hash/crc32c.h`).
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn a_record_frames_its_bytes() {
        let mut written = Vec::new();
        write(&mut written, b"abc").unwrap();
        assert_eq!(written[..8], 3u64.to_le_bytes());
        assert_eq!(&written[12..15], b"abc");
        assert_eq!(written.len(), 8 + 4 + 3 + 4);
    }
}
