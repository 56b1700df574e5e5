//! Sizes of tasks: how they are written, and which pairs Fargate runs.

/// CPU units of `256`, `.25 vCPU`, `1 vcpu`.
pub(super) fn cpu(written: &str) -> Option<u32> {
    let written = written.trim().to_ascii_lowercase();
    match written.strip_suffix("vcpu") {
        Some(vcpus) => whole(vcpus.trim().parse::<f64>().ok()? * 1024.0),
        None => written.parse().ok(),
    }
}

/// MiB of `512`, `0.5 GB`, `1GB`.
pub(super) fn memory(written: &str) -> Option<u32> {
    let written = written.trim().to_ascii_lowercase();
    match written.strip_suffix("gb") {
        Some(gigabytes) => whole(gigabytes.trim().parse::<f64>().ok()? * 1024.0),
        None => written.parse().ok(),
    }
}

pub(super) fn on_fargate(cpu: u32, memory: u32) -> bool {
    let steps = |from: u32, to: u32, by: u32| {
        let (from, to, by) = (from * 1024, to * 1024, by * 1024);
        (from..=to).contains(&memory) && memory.is_multiple_of(by)
    };
    match cpu {
        256 => memory == 512 || steps(1, 2, 1),
        512 => steps(1, 4, 1),
        1024 => steps(2, 8, 1),
        2048 => steps(4, 16, 1),
        4096 => steps(8, 30, 1),
        8192 => steps(16, 60, 4),
        16384 => steps(32, 120, 8),
        _ => false,
    }
}

fn whole(number: f64) -> Option<u32> {
    (number.fract() == 0.0 && (1.0..=1e9).contains(&number)).then_some(number as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_every_form() {
        assert_eq!([cpu("256"), cpu(".25 vCPU"), cpu("1 vcpu")], [Some(256), Some(256), Some(1024)]);
        assert_eq!([memory("512"), memory("0.5GB"), memory("1 GB")], [Some(512), Some(512), Some(1024)]);
        assert_eq!([cpu("many"), memory("0 GB")], [None, None]);
    }

    #[test]
    fn fargate_runs_the_documented_pairs() {
        for (cpu, memory, runs) in [
            (256, 512, true),
            (256, 2048, true),
            (256, 3072, false),
            (512, 512, false),
            (1024, 8192, true),
            (4096, 30720, true),
            (8192, 18432, false),
            (16384, 122_880, true),
            (300, 1024, false),
        ] {
            assert_eq!(on_fargate(cpu, memory), runs, "{cpu}/{memory}");
        }
    }
}
