//! Plans print as they parse.

use super::*;
use proptest::prelude::*;

fn nth() -> impl Strategy<Value = u32> {
    (1..LOOK, any::<bool>()).prop_map(|(nth, look)| if look { nth | LOOK } else { nth })
}

fn strike() -> impl Strategy<Value = Strike> {
    let extent =
        prop_oneof![Just(Extent::Once), Just(Extent::FromThenOn), nth().prop_map(Extent::Until)];
    let errno = prop::sample::select(vec![libc::EIO, libc::ENOSPC, libc::EINTR, libc::EDQUOT]);
    prop_oneof![
        nth().prop_map(Strike::KillBefore),
        nth().prop_map(Strike::KillAfter),
        (nth(), any::<u64>()).prop_map(|(nth, bytes)| Strike::KillInside { nth, bytes }),
        (nth(), any::<u64>()).prop_map(|(nth, bytes)| Strike::Short { nth, bytes }),
        (nth(), errno, extent).prop_map(|(nth, errno, extent)| Strike::Fail { nth, errno, extent }),
    ]
}

proptest! {
    #[test]
    fn a_plan_prints_as_it_parses(plan in prop::collection::vec(strike(), 0..5).prop_map(Plan)) {
        prop_assert_eq!(plan.to_string().parse::<Plan>().expect("parses"), plan);
    }

    #[test]
    fn any_text_is_a_plan_or_an_error_with_what_was_expected(text in "\\PC{0,40}") {
        if let Err(error) = text.parse::<Plan>() {
            prop_assert!(error.to_string().contains("expected"));
        }
    }
}

#[test]
fn the_forms_in_the_head_of_this_file_are_understood() {
    let text = "kill-before:12,kill-inside:12:4096,kill-after:12,fail:34:EIO:once,\
        fail:34:EIO:from-then-on,fail:34:ENOSPC:until:50,short:12:100,fail:r3:EIO:once";
    let plan: Plan = text.parse().expect("parses");
    assert_eq!(plan.to_string(), text);
    for bad in ["", "kill", "kill-before:0", "fail:1:EWHAT:once", "short:1", "kill-after:1:2"] {
        assert!(bad.parse::<Strike>().is_err(), "{bad}");
    }
}
