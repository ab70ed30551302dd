"""MSR-VTT and AVE on tiny folders in the true layout, and what is taken out of video files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from anybind_paper import examples
from anybind_paper.ave import AVE
from anybind_paper.media import middle_frame, sound_of
from anybind_paper.msr_vtt import MSRVTT
from anybind_paper.tiny_files import FRAMES, RATE, document, picture, video

import anybind


@pytest.fixture
def msr_vtt(tmp_path: Path) -> Path:
    examples.msr_vtt(tmp_path)
    return tmp_path.resolve()


@pytest.fixture
def ave(tmp_path: Path) -> Path:
    examples.ave(tmp_path)
    return tmp_path.resolve()


def hertz(clip: anybind.AudioClip) -> float:
    """The loudest frequency."""
    spectrum = np.abs(np.fft.rfft(clip.samples))
    return float(np.fft.rfftfreq(len(clip.samples), 1 / clip.rate)[spectrum.argmax()])


def test_msr_vtt_pairs_videos_with_their_first_caption(msr_vtt: Path) -> None:
    rows = MSRVTT(root=str(msr_vtt), split="train")
    assert rows.modalities == ("video", "image", "audio", "text")
    assert rows.ids == tuple(f"video{n}/{2 * n}" for n in range(4))
    assert [rows[n]["text"] for n in range(4)] == [f"caption 0 of {n}" for n in range(4)]
    assert rows[2]["video"] == msr_vtt / "TrainValVideo/video2.mp4"
    assert hertz(rows[2]["audio"]) == pytest.approx(400, abs=15)
    test = MSRVTT(root=str(msr_vtt), split="test")
    assert (test.ids, test[0]["video"]) == (("video4/8",), msr_vtt / "TestVideo/video4.mp4")


def test_msr_vtt_captions_of_one_video_are_a_group(msr_vtt: Path) -> None:
    rows = MSRVTT(root=str(msr_vtt), split="train", captions=2, modalities=["text"])
    assert len(rows) == 8
    assert rows.groups == tuple(f"video{n}" for n in range(4) for _ in range(2))
    assert [rows[n]["text"] for n in (0, 1)] == ["caption 0 of 0", "caption 1 of 0"]


def test_msr_vtt_lists_of_the_1k_split(msr_vtt: Path) -> None:
    document(msr_vtt / "msrvtt_data/MSRVTT_train.9k.csv", "video_id\nvideo3\nvideo1\n")
    document(
        msr_vtt / "MSRVTT_JSFUSION_test.csv", 'key,vid_key,video_id,sentence\nret0,msr4,video4,"a dog, running"\n'
    )
    assert MSRVTT(root=str(msr_vtt), split="train-9k").ids == ("video1/2", "video3/6")
    test = MSRVTT(root=str(msr_vtt), split="test-1k")
    assert (test.ids, test[0]["text"]) == (("video4/ret0",), "a dog, running")
    with pytest.raises(anybind.DataError, match="is missing") as caught:
        MSRVTT(root=str(msr_vtt), split="train-7k")
    assert "MSRVTT_train.7k.csv" in str(caught.value.expected)
    assert "microsoft.com" in str(caught.value.hint)


def test_missing_videos_are_refused_with_count_and_homepage_or_left_out(msr_vtt: Path) -> None:
    for n in (1, 3):
        (msr_vtt / f"TrainValVideo/video{n}.mp4").unlink()
    with pytest.raises(anybind.DataError, match="a file is missing") as caught:
        MSRVTT(root=str(msr_vtt), split="train")
    assert caught.value.where == msr_vtt / "TrainValVideo/video1.mp4"
    assert "6 faults in all" in str(caught.value.hint), "video, image and sound of two videos"
    assert "get MSR-VTT at https://www.microsoft.com" in str(caught.value.hint)
    rows = MSRVTT(root=str(msr_vtt), split="train", on_error="skip")
    assert [sorted(rows[n]) for n in range(4)] == [["audio", "image", "text", "video"], ["text"]] * 2
    assert [(key, modality) for key, modality, _ in rows.skipped] == [
        (key, modality) for key in ("video1/2", "video3/6") for modality in ("video", "image", "audio")
    ]
    assert MSRVTT(root=str(msr_vtt), split="train", modalities=["text"]).skipped == (), "no video is asked for"
    videos = MSRVTT(root=str(msr_vtt), split="train", modalities=["video"], on_error="skip")
    assert videos.ids == ("video0/0", "video2/4"), "a row without anything is no row"


@pytest.mark.parametrize(
    "content", ["[]", "{", {"videos": []}, {"videos": [{"video_id": "a"}], "sentences": []}]
)
def test_msr_vtt_in_another_form(msr_vtt: Path, content: Any) -> None:
    document(msr_vtt / "train_val_videodatainfo.json", content)
    with pytest.raises(anybind.DataError) as caught:
        MSRVTT(root=str(msr_vtt), split="train")
    assert caught.value.where == msr_vtt / "train_val_videodatainfo.json"


def test_video_names_do_not_lead_out(msr_vtt: Path) -> None:
    video(msr_vtt.parent / "secret.mp4", 0, 300)
    content = json.loads((msr_vtt / "train_val_videodatainfo.json").read_text("utf-8"))
    content["videos"][0]["video_id"] = content["sentences"][0]["video_id"] = "../../secret"
    document(msr_vtt / "train_val_videodatainfo.json", content)
    with pytest.raises(anybind.DataError, match="out of the data set's folder"):
        MSRVTT(root=str(msr_vtt), split="train")


def test_ave_rows_are_events(ave: Path) -> None:
    rows = AVE(root=str(ave), split="train")
    assert rows.ids == ("aa/0-10/Church bell", "bb/2-7/Cat", "bb/8-9/Cat", "-c_/0-4/Bus")
    assert rows.groups == ("aa", "bb", "bb", "-c_")
    assert [rows[n]["text"] for n in range(4)] == ["Church bell", "Cat", "Cat", "Bus"]
    assert rows[1]["video"] == ave / "AVE/bb.mp4"
    assert hertz(rows[3]["audio"]) == pytest.approx(400, abs=15)
    assert AVE(root=str(ave), split="all").ids == rows.ids, "the first line of the annotations names the columns"
    test = AVE(root=str(ave), split="test")
    assert test.ids == ("aa/0-10/Church bell",)
    assert test.collection == rows.collection


def test_ave_faulty_lines(ave: Path) -> None:
    lines = "Church bell&aa&good&0&10\nno event\nChurch bell&aa&good&0&10\nCat&gone&good&2&7\n"
    document(ave / "testSet.txt", lines)
    with pytest.raises(anybind.DataError, match="line cannot be read") as caught:
        AVE(root=str(ave), split="test")
    assert caught.value.where == f"{ave / 'testSet.txt'}:2"
    rows = AVE(root=str(ave), split="test", modalities=["video"], on_error="skip")
    assert rows.ids == ("aa/0-10/Church bell",)
    assert [key for key, _, _ in rows.skipped] == [f"{ave / 'testSet.txt'}:2", rows.ids[0], "gone/2-7/Cat"]
    document(ave / "testSet.txt", "Cat&../../secret&good&2&7\n")
    with pytest.raises(anybind.DataError, match="out of the data set's folder"):
        AVE(root=str(ave), split="test")


@pytest.mark.parametrize(("reader", "homepage"), [(MSRVTT, "microsoft.com"), (AVE, "github.com/YapengTian")])
def test_an_empty_or_missing_folder_says_where_the_data_set_is_obtained(
    reader: Any, homepage: str, tmp_path: Path
) -> None:
    for root in (tmp_path, tmp_path / "gone"):
        with pytest.raises(anybind.DataError) as caught:
            reader(root=str(root), split="train")
        assert homepage in str(caught.value.hint)
    with pytest.raises(anybind.UsageError, match="no such split"):
        reader(root=str(tmp_path), split="dev")


def test_the_middle_frame(tmp_path: Path) -> None:
    """Most frames of the video are differences to the one before, and cannot be jumped to."""
    video(tmp_path / "v.mp4", 20, None)
    with av.open(str(tmp_path / "v.mp4")) as container:
        decoded = [(frame.key_frame, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert [whole for whole, _ in decoded] == [True] + [False] * (FRAMES - 1)
    middle = middle_frame(tmp_path / "v.mp4")
    assert (middle.mode, middle.size) == ("RGB", (32, 32))
    assert np.array_equal(np.asarray(middle), decoded[FRAMES // 2][1])


def test_sound_at_its_own_rate(tmp_path: Path) -> None:
    video(tmp_path / "v.mp4", 0, 440)
    clip = sound_of(tmp_path / "v.mp4")
    assert clip.rate == RATE
    assert clip.samples.dtype == np.float32
    assert clip.seconds == pytest.approx(0.5, abs=0.15)
    assert hertz(clip) == pytest.approx(440, abs=15)
    assert np.abs(clip.samples).max() == pytest.approx(0.5, abs=0.15)


def test_what_is_no_video_or_is_silent(tmp_path: Path) -> None:
    video(tmp_path / "silent.mp4", 0, None)
    with pytest.raises(anybind.DataError, match="no sound") as caught:
        sound_of(tmp_path / "silent.mp4")
    assert caught.value.where == tmp_path / "silent.mp4"
    document(tmp_path / "text.mp4", "not a video")
    picture(tmp_path / "p.png", 3)
    for read in (sound_of, middle_frame):
        for name in ("text.mp4", "gone.mp4"):
            with pytest.raises(anybind.DataError, match="cannot be read"):
                read(tmp_path / name)
    with pytest.raises(anybind.DataError, match="no sound"):
        sound_of(tmp_path / "p.png")
