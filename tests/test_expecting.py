"""Which recorded message a client's message is: words by what they say, sound by its presence."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from playhead.proxy.sockets.expecting import Expecting, may_be_missing
from playhead.proxy.sockets.recorded_transcripts import AUDIO, sense

SOUND = AUDIO + b"input_audio_buffer.append"
words = st.sampled_from([b"one", b"two", b"three"])


@given(st.lists(st.one_of(words, st.just(SOUND)), max_size=12))
def test_what_was_said_is_all_expected_in_its_order(senses: list[bytes]) -> None:
    expecting = Expecting(senses)

    assert [expecting.come(one) for one in senses] == [[number] for number in range(len(senses))]
    assert expecting.due is None


@given(st.lists(words, max_size=8), st.randoms(use_true_random=False))
def test_words_may_come_in_another_order(senses: list[bytes], chance: random.Random) -> None:
    expecting = Expecting(senses)
    got = [expecting.come(senses[place]) for place in chance.sample(range(len(senses)), len(senses))]

    assert sorted(number for one in got if one is not None for number in one) == list(range(len(senses)))


def test_what_was_not_said_is_not_expected() -> None:
    expecting = Expecting([b"one"])

    assert (expecting.come(b"two"), expecting.come(SOUND), expecting.due) == (None, None, 0)


def test_more_sound_is_let_pass() -> None:
    expecting = Expecting([SOUND, SOUND, b"one", SOUND])

    assert [expecting.come(SOUND) for _ in range(4)] == [[0], [1], [], []]
    assert expecting.come(b"one") == [2]
    assert [expecting.come(SOUND) for _ in range(2)] == [[3], []]


def test_missing_sound_comes_with_the_words_behind_it() -> None:
    expecting = Expecting([SOUND, SOUND, SOUND, b"one"])
    expecting.come(SOUND)

    assert expecting.come(b"one") == [1, 2, 3]


def test_sound_may_be_missing_but_not_its_beginning() -> None:
    senses = [SOUND, SOUND, b"one", SOUND]

    assert [may_be_missing(senses, place) for place in range(4)] == [False, True, False, False]


def test_messages_mean_what_they_say() -> None:
    assert sense(1, b'{"a": 1.0, "b":[2]}') == sense(1, b'{"b":[2],"a":1}')
    assert sense(1, b'{"a":1,"event_id":"x"}') == sense(1, b'{"a":1,"event_id":"y"}')
    assert sense(1, b'{"a":1}') != sense(1, b'{"a":2}')
    assert sense(1, b"text") != sense(1, b"Text")
    assert sense(2, b"\x00") == sense(2, b"\x01\x02") != sense(1, b"text")
    assert sense(1, b'{"type":"session.input_audio.append","audio":"a"}') == sense(1, b'{"type":"session.input_audio.append","audio":"b"}')
