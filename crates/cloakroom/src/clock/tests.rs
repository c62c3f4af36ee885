use std::time::{Duration, SystemTime};

use super::{Clock, ManualClock, Timestamp};

fn written(write: impl FnOnce(&mut String)) -> String {
    let mut text = String::new();
    write(&mut text);
    text
}

#[test]
fn instants_print_as_javascript_prints_them() {
    #[rustfmt::skip]
    let table = [
        (0, "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
        (1_767_323_045_678, "2026-01-02T03:04:05.678Z", "Fri, 02 Jan 2026 03:04:05 GMT"),
        (-1, "1969-12-31T23:59:59.999Z", "Wed, 31 Dec 1969 23:59:59 GMT"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z", "Tue, 29 Feb 2000 00:00:00 GMT"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z", "Fri, 31 Dec 9999 23:59:59 GMT"),
        (253_402_300_800_000, "+010000-01-01T00:00:00.000Z", "Sat, 01 Jan 10000 00:00:00 GMT"),
        (-62_198_755_200_000, "-000001-01-01T00:00:00.000Z", "Fri, 01 Jan -0001 00:00:00 GMT"),
        (8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z", "Sat, 13 Sep 275760 00:00:00 GMT"),
    ];
    for (millis, iso, imf) in table {
        let timestamp = Timestamp::from_millis(millis);
        assert_eq!(written(|out| timestamp.write_iso(out)), iso);
        assert_eq!(written(|out| timestamp.write_imf(out)), imf);
        assert_eq!(Timestamp::parse_iso(iso), Some(timestamp));
    }
}

#[test]
fn text_that_is_no_iso_instant_is_refused() {
    for text in [
        "",
        "Z",
        "2026",
        "2026-01-02",
        "2026-01-02T03:04:05Z",
        "2026-13-02T03:04:05.678Z",
        "2026-02-29T03:04:05.678Z",
        "2026-01-02T24:04:05.678Z",
        "2026-01-02T03:04:05.678",
        "2026-01-02T03:04:05.67xZ",
        "é026-01-02T03:04:05.678Z",
        "202é-01-02T03:04:05.678Z",
        "+300000-01-01T00:00:00.000Z",
        "2026-01-02T03:04:05,678Z",
        "2026-01-02T0é:04:05.678Z",
    ] {
        assert_eq!(Timestamp::parse_iso(text), None, "{text}");
    }
}

// V16
#[test]
fn v16_the_iso_forms_of_date_parse_are_read() {
    #[rustfmt::skip]
    let table = [
        ("2030",                           1_893_456_000_000),
        ("2030-02",                        1_896_134_400_000),
        ("2030-01-02",                     1_893_542_400_000),
        ("2030-01-01T00:00Z",              1_893_456_000_000),
        ("2030-01-01T00:00:00Z",           1_893_456_000_000),
        ("2030-01-01T00:00:00.5Z",         1_893_456_000_500),
        ("2030-01-01T00:00:00.1239Z",      1_893_456_000_123),
        ("2030-01-01T00:00:00.123Z",       1_893_456_000_123),
        ("2030-01-01T24:00:00Z",           1_893_542_400_000),
        ("2030-01-01T02:30:00+02:30",      1_893_456_000_000),
        ("2029-12-31T19:00:00.000-05:00",  1_893_456_000_000),
        ("2030-01-01T00:00-00:00",         1_893_456_000_000),
        ("+002030-01-01T00:00Z",           1_893_456_000_000),
        ("-000001-01-01T00:00:00.000Z",    -62_198_755_200_000),
        ("2000-02-29",                     951_782_400_000),
    ];
    for (text, millis) in table {
        let read = Timestamp::parse_date(text);
        assert_eq!(read, Some(Timestamp::from_millis(millis)), "{text}");
    }
    for text in [
        "",
        "Z",
        "now",
        "1893456000000",
        "203",
        "2030-",
        "2030-1-1",
        "2030-13",
        "2030-02-29",
        "2030-01-00",
        "2030-01-01T",
        "2030-01-01Z",
        "2030-01-01T00Z",
        "2030-01-01T00:00",
        "2030-01-01T00:00:00",
        "2030-01-01T00:00:00.",
        "2030-01-01T00:00:00.Z",
        "2030-01-01T24:00:01Z",
        "2030-01-01T00:60Z",
        "2030-01-01T00:00:60Z",
        "2030-01-01T00:00:00+2:00",
        "2030-01-01T00:00:00+24:00",
        "2030-01-01T00:00:00+02:00Z",
        "2030-01-01 00:00:00Z",
        "2030-01-01t00:00:00z",
        "-000000-01-01",
        "+300000-01-01",
        "é030-01-01",
        "2030-01-01T0é:00Z",
        "Tue, 01 Jan 2030 00:00:00 GMT",
    ] {
        assert_eq!(Timestamp::parse_date(text), None, "{text}");
    }
}

#[test]
fn every_day_of_800_years_is_read_back() {
    for days in -146_097..146_097 {
        let timestamp = Timestamp::from_millis(days * 86_400_000 + 1);
        assert_eq!(
            Timestamp::parse_iso(&written(|out| timestamp.write_iso(out))),
            Some(timestamp)
        );
    }
}

#[test]
fn instants_stay_within_what_javascript_can_hold() {
    let last = Timestamp::from_millis(i64::MAX);
    assert_eq!(last.after(Duration::MAX), last);
    assert_eq!(Timestamp::checked(last.as_millis() + 1), None);
    assert_eq!(
        Timestamp::from_millis(5).since(Timestamp::from_millis(9)),
        Duration::ZERO
    );
    assert_eq!(
        Timestamp::from(SystemTime::from(Timestamp::from_millis(-5))).as_millis(),
        -5
    );
}

#[test]
fn a_manual_clock_moves_only_when_told() {
    let manual = ManualClock::at(Timestamp::from_millis(1000));
    let clock = Clock::from(manual.clone());
    assert_eq!(clock.now().as_millis(), 1000);
    manual.advance(Duration::from_millis(5));
    assert_eq!(clock.now().as_millis(), 1005);
}
