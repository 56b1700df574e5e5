//! The image of the container that holds a task's network while its containers come and go:
//! a program of a few instructions that waits, since no image can be taken for granted.

/// The machine's program, as an image's only file `/pause`; `None` for a machine that there is
/// no program for.
pub(super) fn layer(architecture: &str) -> Option<Vec<u8>> {
    Some(tar("pause", &program(architecture)?))
}

fn program(architecture: &str) -> Option<Vec<u8>> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let (machine, code): (u16, Vec<u8>) = match architecture {
        // mov eax, 34 (pause); syscall; jmp to the start.
        "amd64" => (62, vec![0xb8, 0x22, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7]),
        // ppoll(0, 0, 0, 0, 0); b to the start.
        "arm64" => {
            let words: [u32; 8] = [
                0xd280_0000,
                0xd280_0001,
                0xd280_0002,
                0xd280_0003,
                0xd280_0004,
                0xd280_0928,
                0xd400_0001,
                0x17ff_fff9,
            ];
            (183, words.iter().flat_map(|word| word.to_le_bytes()).collect())
        }
        _ => return None,
    };
    let length = HEADERS + code.len() as u64;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend(2u16.to_le_bytes()); // an executable
    file.extend(machine.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    file.extend((BASE + HEADERS).to_le_bytes()); // entry
    file.extend(64u64.to_le_bytes()); // where the program header is
    file.extend(0u64.to_le_bytes());
    file.extend(0u32.to_le_bytes());
    for number in [64u16, 56, 1, 64, 0, 0] {
        file.extend(number.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes()); // to be loaded
    file.extend(5u32.to_le_bytes()); // readable, executable
    for number in [0, BASE, BASE, length, length, 0x1000] {
        file.extend(number.to_le_bytes());
    }
    file.extend(code);
    Some(file)
}

/// An archive of one executable file.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    let mut put = |at: usize, text: &str| {
        for (place, byte) in header.iter_mut().skip(at).zip(text.bytes()) {
            *place = byte;
        }
    };
    put(0, name);
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    for (place, byte) in header.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
        *place = byte;
    }
    let mut archive = header.to_vec();
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}
