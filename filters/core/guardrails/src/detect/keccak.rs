//! Keccak-256, the digest of Ethereum, which is older than SHA-3 and pads otherwise (keccak.team, "Keccak specifications summary").

const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];
/// How far each lane is turned, and where it goes.
const TURNS: [(u32, usize); 24] = [
    (1, 10),
    (3, 7),
    (6, 11),
    (10, 17),
    (15, 18),
    (21, 3),
    (28, 5),
    (36, 16),
    (45, 8),
    (55, 21),
    (2, 24),
    (14, 4),
    (27, 15),
    (41, 23),
    (56, 19),
    (8, 13),
    (25, 12),
    (43, 2),
    (62, 20),
    (18, 14),
    (39, 22),
    (61, 9),
    (20, 6),
    (44, 1),
];
/// Bytes that are taken in at a time.
const RATE: usize = 136;

/// The digest of a text that is shorter than [`RATE`].
pub(super) fn keccak_256(text: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; RATE];
    for (place, byte) in block.iter_mut().zip(text.iter().chain(&[1])) {
        *place = *byte;
    }
    if let Some(last) = block.last_mut() {
        *last |= 0x80;
    }
    let mut state = [0_u64; 25];
    for (lane, bytes) in state.iter_mut().zip(block.chunks_exact(8)) {
        *lane = bytes.iter().rev().fold(0, |lane, byte| lane << 8 | u64::from(*byte));
    }
    permute(&mut state);
    let mut digest = [0; 32];
    for (bytes, lane) in digest.chunks_exact_mut(8).zip(state) {
        bytes.copy_from_slice(&lane.to_le_bytes());
    }
    digest
}

#[expect(clippy::indexing_slicing, reason = "every index is a remainder by the length, or of the table above")]
fn permute(state: &mut [u64; 25]) {
    for round in ROUNDS {
        let mut columns = [0_u64; 5];
        for (place, lane) in state.iter().enumerate() {
            columns[place % 5] ^= lane;
        }
        for (place, lane) in state.iter_mut().enumerate() {
            *lane ^= columns[(place + 4) % 5] ^ columns[(place + 1) % 5].rotate_left(1);
        }
        let mut carried = state[1];
        for (turn, place) in TURNS {
            carried = std::mem::replace(&mut state[place], carried.rotate_left(turn));
        }
        for row in state.chunks_exact_mut(5) {
            let old = [row[0], row[1], row[2], row[3], row[4]];
            for place in 0..5 {
                row[place] = old[place] ^ (!old[(place + 1) % 5] & old[(place + 2) % 5]);
            }
        }
        state[0] ^= round;
    }
}

#[cfg(test)]
mod tests {
    use super::keccak_256;

    #[test]
    fn digests_are_those_of_ethereum() {
        let digest = |text: &[u8]| keccak_256(text).map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(digest(b""), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
        assert_eq!(digest(b"abc"), "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
    }
}
