"""``anybind search`` with a saved binder: what is found, how likely it is, and when nothing is."""

import json

import pytest

from anybind.binder import Binder

# The tiny graph's own: a syllable in French letters.
FRENCH = dict(zip("ka mo ri tu se no ha yi do pe".split(), "bla chi gou van ler tie ques plu oin fra".split(),
                  strict=True))  # fmt: skip


@pytest.fixture
def artifact(finished_run):
    return finished_run[1] / "artifact"


@pytest.fixture
def searching(finished_run, artifact):
    """The fixed part of a search."""
    graph, out, _ = finished_run
    ends = ["--from", "text_en", "--to", "text_ja"]
    return ["search", artifact, "--graph", graph, "--store", out.parent / "store", *ends]


@pytest.fixture(scope="module")
def without_forecast(finished_run, tmp_path_factory):
    """The artifact of a binder that knows nothing of held-out rows."""
    binder = Binder.from_pretrained(finished_run[1] / "artifact")
    binder.basis = None
    return binder.save_pretrained(tmp_path_factory.mktemp("bare") / "artifact")


def row_of(graph, data="test", number=17):
    return json.loads((graph.parent / f"{data}.jsonl").read_text("utf-8").splitlines()[number])


def test_search_finds_the_translation(finished_run, searching, anybind):
    graph = finished_run[0]
    row = json.loads((graph.parent / "test.jsonl").read_text("utf-8").splitlines()[17])
    result = anybind(*searching, row["text_en"], "-k", "3", "--json")
    assert result.code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert (answer["from"], answer["to"], answer["gallery_size"]) == ("text_en", ["text_ja"], 120)
    assert answer["hits"][0]["id"] == row["id"]
    assert answer["hits"][0]["preview"] == row["text_ja"]
    scores = [hit["score"] for hit in answer["hits"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    lines = anybind(*searching, row["text_en"], "-k", "1").stdout.splitlines()
    assert lines[0].split() == ["rank", "id", "probability", "score", "preview"]
    assert lines[2].split()[:2] == ["1", row["id"]]
    assert len(lines) == 3


def test_search_in_a_named_data_set_and_for_more_than_there_is(searching, anybind):
    answer = json.loads(anybind(*searching, "ka mo", "--gallery", "second", "-k", "500", "--json").stdout)
    assert len(answer["hits"]) == answer["gallery_size"] == 120
    assert all(hit["id"].startswith("second-") for hit in answer["hits"])


def test_search_tells_what_does_not_exist(searching, anybind, tmp_path):
    assert "expected: one of first, second" in anybind(*searching, "ka", "--gallery", "third").stderr
    empty = anybind(*searching, "ka", "--store", tmp_path)
    assert empty.code == 1
    assert "anybind extract" in empty.stderr


def test_search_refuses_a_graph_with_another_encoder(searching, write_graph, tmp_path, anybind):
    def renamed(text):
        text = text.replace("text_ja: {use: toy-text}", "japanese: {modality: text_ja, use: toy-text}")
        return text.replace("[text_en, text_ja]", "[text_en, japanese]")

    other = write_graph(tmp_path, renamed)
    result = anybind(*searching, "ka", "--graph", other)
    assert result.code == 2
    assert "got:      no such space" in result.stderr
    assert "expected: toy-text, 64 dims" in result.stderr


def test_the_translation_is_likely_and_the_rest_is_not(finished_run, searching, anybind):
    row = row_of(finished_run[0])
    hits = json.loads(anybind(*searching, row["text_en"], "--json").stdout)["hits"]
    p = [hit["probability"] for hit in hits]
    assert p == sorted(p, reverse=True)
    assert p[0] > 0.5 > p[-1]
    rare = json.loads(anybind(*searching, row["text_en"], "--prior", "0.0001", "--json").stdout)["hits"]
    assert [hit["id"] for hit in rare] == [hit["id"] for hit in hits]
    assert rare[0]["probability"] < p[0]


def test_probabilities_are_the_librarys(finished_run, searching, artifact, anybind):
    from anybind.store import EmbeddingStore
    from anybind.workflow import gallery, load_graph

    graph, out, _ = finished_run
    loaded, binder = load_graph(graph), Binder.from_pretrained(artifact)
    ids, vectors = gallery(loaded, EmbeddingStore(out.parent / "store"), "text_ja")
    raw = binder.encode_raw(["ka mo ri"], space="text_en")
    expected = binder.basis.same_item("text_en", "text_ja").probability(
        binder.score("text_en", raw, "text_ja", vectors), 1 / 120
    )[0]
    for hit in json.loads(anybind(*searching, "ka mo ri", "--json").stdout)["hits"]:
        assert hit["probability"] == pytest.approx(float(expected[ids.index(hit["id"])]), abs=1e-5)


def test_what_has_no_translation_here_is_no_match(finished_run, searching, anybind):
    """At a rate of 0.3 the right item is still found, and most queries of other data sets find nothing."""
    graph, rate = finished_run[0], ["--false-match-rate", "0.3", "--json"]
    row = row_of(graph)
    found = json.loads(anybind(*searching, row["text_en"], *rate).stdout)
    assert (found["hits"][0]["id"], found["false_match_rate"]) == (row["id"], 0.3)
    foreign = [row_of(graph, "first", number)["text_en"] for number in range(12)]
    unmatched = [text for text in foreign if not json.loads(anybind(*searching, text, *rate).stdout)["hits"]]
    assert len(unmatched) >= 6
    nothing = anybind(*searching, unmatched[0], "--false-match-rate", "0.3")
    assert (nothing.code, nothing.stdout.startswith("no match")) == (0, True)


def test_a_rate_that_held_out_pairs_cannot_show_is_refused(searching, anybind):
    refused = anybind(*searching, "ka", "--false-match-rate", "0.0000001")
    assert refused.code == 2
    assert "so rare false matches" in refused.stderr
    assert "to search 120 items" in refused.stderr
    for bad in ("0", "1", "-1", "many"):
        assert anybind(*searching, "ka", "--false-match-rate", bad).code == 2
        assert anybind(*searching, "ka", "--prior", bad).code == 2


def test_several_spaces_make_one_list_by_probability(write_graph, tmp_path, anybind):
    """English to French and Japanese: the data set holds the item in both, and both are found."""
    graph = write_graph(tmp_path, lambda text: text.replace("[[text_en, text_ja]]", "all"))
    store, folder = tmp_path / "store", tmp_path / "artifact"
    assert anybind("extract", graph, "--store", store).code == 0
    assert anybind("fit", graph, "--store", store, "--out", folder).code == 0
    row = row_of(graph, "second")
    french = {letters: syllable for syllable, letters in FRENCH.items()}
    english = " ".join(french[word] for word in row["text_fr"].split())
    both = ["search", folder, "-g", graph, "--store", store, "--from", "text_en", "--to", "text_fr", "--to", "text_ja",
            "--gallery", "second", english]  # fmt: skip
    answer = json.loads(anybind(*both, "-k", "40", "--json").stdout)
    assert (answer["to"], answer["gallery_size"]) == (["text_fr", "text_ja"], 240)
    p = [hit["probability"] for hit in answer["hits"]]
    assert (len(p), p) == (40, sorted(p, reverse=True))
    first = answer["hits"][:2]
    assert {(hit["id"], hit["space"], hit["preview"]) for hit in first} == {
        (row["id"], space, row[space]) for space in ("text_fr", "text_ja")
    }
    assert anybind(*both).stdout.split()[:3] == ["rank", "id", "space"]


def test_without_a_forecast_scores_stay_scores(finished_run, searching, without_forecast, anybind):
    bare = [without_forecast if part == searching[1] else part for part in searching]
    hits = json.loads(anybind(*bare, "ka mo", "-k", "2", "--json").stdout)["hits"]
    assert [hit["probability"] for hit in hits] == [None, None]
    assert anybind(*bare, "ka mo").stdout.splitlines()[0].split() == ["rank", "id", "score", "preview"]
    for asked in (["--false-match-rate", "0.1"], ["--prior", "0.1"], ["--to", "text_fr", "--gallery", "second"]):
        refused = anybind(*bare, "ka mo", *asked)
        assert refused.code == 2
        assert "no forecast" in refused.stderr
