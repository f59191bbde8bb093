//! What the plugin wrote, and what the firmware says it belongs to.

use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;

/// Counts of one case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// Measured parts.
    pub entries: u64,
    /// Executions by address.
    pub counts: BTreeMap<u32, u64>,
    /// Of these, executions after which control went elsewhere than to the
    /// next instruction.
    pub taken: BTreeMap<u32, u64>,
}

/// The name and size of a case, from the firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Name.
    pub name: String,
    /// Steps measured together.
    pub steps: u64,
    /// Multiply-accumulates of one dense step.
    pub macs: u64,
    /// Digest of the outputs.
    pub check: String,
}

/// Takes the plugin's profile apart.
///
/// # Errors
///
/// If it is damaged, or the plugin reported an error.
pub fn regions(text: &str) -> Result<Vec<Region>> {
    let mut regions: Vec<Region> = Vec::new();
    for line in text.lines() {
        let damaged = || format!("the plugin's profile is damaged at {line:?}");
        let mut words = line.split(' ');
        let tag = words.next().with_context(damaged)?;
        if tag == "error" {
            bail!("the emulator plugin reports:{}", &line[tag.len()..]);
        }
        if tag == "region" {
            let entries = words.next().and_then(|w| w.parse().ok());
            regions.push(Region {
                entries: entries.with_context(damaged)?,
                ..Region::default()
            });
            continue;
        }
        let address = words.next().and_then(|w| u32::from_str_radix(w, 16).ok());
        let count = words.next().and_then(|w| w.parse().ok());
        let (address, count) = address.zip(count).with_context(damaged)?;
        let region = regions.last_mut().with_context(damaged)?;
        let map = match tag {
            "i" => &mut region.counts,
            "t" => &mut region.taken,
            _ => bail!(damaged()),
        };
        map.insert(address, count);
    }
    Ok(regions)
}

/// Takes the firmware's list of cases apart: name, steps, MACs and digest.
///
/// # Errors
///
/// If it is damaged.
pub fn cases(text: &str) -> Result<Vec<Case>> {
    let case = |line: &str| {
        let [name, steps, macs, check] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        Some(Case {
            name: name.to_owned(),
            steps: steps.parse().ok().filter(|&s| s > 0)?,
            macs: macs.parse().ok()?,
            check: check.to_owned(),
        })
    };
    let cases: Vec<Case> = (text.lines())
        .map(|line| case(line).with_context(|| format!("the list of cases has {line:?}")))
        .collect::<Result<_>>()?;
    ensure!(!cases.is_empty(), "the firmware ran no case");
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile() {
        let text = "region 2\ni 8000 5\ni 8002 4\nt 8002 3\nregion 1\n";
        let regions = regions(text).expect("regions");
        assert_eq!(regions.len(), 2);
        assert_eq!(regions[0].entries, 2);
        assert_eq!(
            regions[0].counts,
            BTreeMap::from([(0x8000, 5), (0x8002, 4)])
        );
        assert_eq!(regions[0].taken, BTreeMap::from([(0x8002, 3)]));
        assert!(regions[1].counts.is_empty());
    }

    #[test]
    fn damaged_profiles() {
        for text in ["i 8000 5", "region x", "region 1\ni 80", "region 1\nq 1 2"] {
            let error = regions(text).expect_err(text).to_string();
            assert!(error.contains("damaged"), "{error}");
        }
        let error = regions("region 1\nerror out of counters").expect_err("error");
        assert!(error.to_string().contains("out of counters"), "{error}");
    }

    #[test]
    fn list_of_cases() {
        let cases = cases("a-b 2 30 0badcafe\n").expect("cases");
        assert_eq!(cases[0].name, "a-b");
        assert_eq!((cases[0].steps, cases[0].macs), (2, 30));
        for text in ["", "a 2 30", "a 0 30 ff", "a 2 x ff"] {
            assert!(super::cases(text).is_err(), "{text:?}");
        }
    }
}
