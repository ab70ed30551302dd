"""For each mistake in a graph YAML: the place, the words and the way out."""

import pytest

# Each row: what to change in the example, into what, and the problem this makes.
MISTAKES = [
    (
        "version: 1",
        "version: 2",
        "g.yaml:1:10: version: got 2 (expected 1)",
    ),
    (
        "version: 1",
        "version: '1'",
        "g.yaml:1:10: version: got '1' (expected 1)",
    ),
    (
        "version: 1",
        "version: true",
        "g.yaml:1:10: version: got true (expected 1)",
    ),
    (
        "version: 1\n",
        "",
        "g.yaml:1:1: the key 'version' is missing",
    ),
    (
        "name: emoji-by-japanese",
        "name: 'a b'",
        "g.yaml:2:7: name: got 'a b' (expected a name of letters, digits, '.', '_' and '-')",
    ),
    (
        "name: emoji-by-japanese",
        "name: 1.10",
        "g.yaml:2:7: name: got 1.1 (expected a name of letters, digits, '.', '_' and '-'; write it in "
        "quotes)",
    ),
    (
        "name: emoji-by-japanese",
        "name:",
        "g.yaml:2:6: name: got nothing (expected a name of letters, digits, '.', '_' and '-')",
    ),
    (
        "seeds: [0, 1, 2]",
        "seeds: [0, -1]",
        "g.yaml:3:12: seeds[1]: got -1 (expected whole numbers from 0 to 4294967295)",
    ),
    (
        "seeds: [0, 1, 2]",
        "seeds: [1, 1]",
        "g.yaml:3:12: seeds: 1 is given twice",
    ),
    (
        "seeds: [0, 1, 2]",
        "seeds: 3",
        "g.yaml:3:8: seeds: got 3 (expected a list of whole numbers from 0 to 4294967295)",
    ),
    (
        "seeds: [0, 1, 2]",
        "seeds: []",
        "g.yaml:3:8: seeds: got an empty list (expected a list of whole numbers from 0 to 4294967295)",
    ),
    (
        "seeds:",
        "sedes:",
        "g.yaml:3:1: unknown key 'sedes' (expected one of version, name, encoders, datasets, bind, "
        "seeds, modalities, evaluate; did you mean 'seeds'?)",
    ),
    (
        "text_en: {kind: text}",
        "text_en: {kind: txet}",
        "g.yaml:4:30: no modality named 'txet' is known (expected an installed modality, or one "
        "declared under 'modalities'; did you mean 'text'?)",
    ),
    (
        "text_en: {kind: text}",
        "text_en: {kind: text_ja}, text_ko: {kind: text_ko}",
        "g.yaml:4:56: the kinds go round in a circle: text_ko → text_ko",
    ),
    (
        "text_en: {kind: text}",
        "text_en: {}",
        "g.yaml:4:14: modalities.text_en: the key 'kind' is missing",
    ),
    (
        "text_en: {kind: text}",
        "text_en: text",
        "g.yaml:4:23: modalities.text_en: got 'text' (expected a mapping such as {kind: text})",
    ),
    (
        "text_en: {kind: text}",
        "text_en: {kind: text}, photo: {kind: text}",
        "g.yaml:4:51: anybind-fake has a modality 'photo' already, of kind image (leave the entry out, "
        "or choose another name)",
    ),
    (
        "image: {use: efficientnet-lite0}",
        "image: efficientnet-lite0",
        "g.yaml:6:10: encoders.image: got 'efficientnet-lite0' (expected a mapping such as {use: NAME})",
    ),
    (
        "{use: efficientnet-lite0}",
        "{use: efficientnet-lit0}",
        "g.yaml:6:16: no encoder named 'efficientnet-lit0' is installed (expected one of clap, "
        "efficientnet-lite0, hub-text, minilm-l6, use-multilingual; did you mean 'efficientnet-lite0'?)",
    ),
    (
        "{use: efficientnet-lite0}",
        "{}",
        "g.yaml:6:3: encoders.image: the key 'use' is missing",
    ),
    (
        "{use: efficientnet-lite0}",
        "{use: 3}",
        "g.yaml:6:16: encoders.image.use: got 3 (expected the name of an encoder; write it in quotes)",
    ),
    (
        "{use: minilm-l6}",
        "{use: clap}",
        "g.yaml:7:18: the encoder 'clap' reads audio, not text_en (expected an encoder for text_en; "
        "installed: hub-text, minilm-l6, use-multilingual)",
    ),
    (
        "{use: minilm-l6}",
        "{use: minilm-l6, revision: r2}",
        "g.yaml:7:39: the installed encoder 'minilm-l6' has another revision of its weights (expected "
        "r1; install the version of its plugin that has yours)",
    ),
    (
        "{use: minilm-l6}",
        "{use: minilm-l6, revision: 12}",
        "g.yaml:7:39: encoders.text_en.revision: got 12 (expected a text; write it in quotes)",
    ),
    (
        "batch_size: 64",
        "batchsize: 64",
        "g.yaml:8:36: unknown option 'batchsize' (expected one of use, modality, revision, batch_size; "
        "did you mean 'batch_size'?)",
    ),
    (
        "batch_size: 64",
        "modalty: image",
        "g.yaml:8:36: unknown option 'modalty' (expected one of use, modality, revision, batch_size; "
        "did you mean 'modality'?)",
    ),
    (
        "batch_size: 64",
        "options: {batch_size: 64}",
        "g.yaml:8:36: unknown option 'options' (expected one of use, modality, revision, batch_size; "
        "write options beside 'use', without 'options:')",
    ),
    (
        "batch_size: 64",
        "batch_size: 0",
        "g.yaml:8:48: batch_size: got 0 (int) (expected a whole number, at least 1)",
    ),
    (
        "batch_size: 64",
        "batch_size: null",
        "g.yaml:8:48: batch_size: got None (NoneType) (expected a whole number, at least 1)",
    ),
    (
        "  pictures:    {use: emoji",
        "  pictures:    {use: emojis",
        "g.yaml:10:22: no data set named 'emojis' is installed (expected one of clips, emoji, "
        "manifest; did you mean 'emoji'?)",
    ),
    (
        "split: d1",
        "split: d9",
        "g.yaml:10:36: split: got 'd9' (str) (expected a text from d1, d2, test, oracle)",
    ),
    (
        "split: d1",
        "pairs: 10000",
        "g.yaml:10:36: pairs: got 10000 (int) (expected a whole number, at least 2, at most 9999)",
    ),
    (
        "[image, text_en]}",
        "[image, text_em]}",
        "g.yaml:10:60: the data set has no modality 'text_em' (expected one of image, text_en, "
        "text_ja; did you mean 'text_en'?)",
    ),
    (
        "[image, text_en]}",
        "[image, image]}",
        "g.yaml:10:60: datasets.pictures.modalities: 'image' is given twice",
    ),
    (
        "[image, text_en]}",
        "[image]}",
        "g.yaml:10:3: the data set 'pictures' holds fewer than two embedded modalities (expected two "
        "of those with an encoder: image, text_en, text_ja; it holds image)",
    ),
    (
        "[image, text_en]}",
        "image}",
        "g.yaml:10:52: datasets.pictures.modalities: got 'image' (expected a list of modalities such "
        "as [image, text])",
    ),
    (
        "use: emoji, split: d1, modalities: [image, text_en]",
        "use: clips",
        "g.yaml:10:3: the data set 'pictures' holds fewer than two embedded modalities (expected two "
        "of those with an encoder: image, text_en, text_ja; it holds image, audio)",
    ),
    (
        "use: emoji, split: d1, modalities: [image, text_en]",
        "use: manifest, modalities: [image, tuch]",
        "g.yaml:10:52: no modality named 'tuch' is known (expected an installed modality, or one "
        "declared under 'modalities')",
    ),
    (
        "[[image, text_ja]]",
        "[[image, text_jp]]",
        "g.yaml:13:21: no space named 'text_jp' (expected one of image, text_en, text_ja; did you mean "
        "'text_ja'?)",
    ),
    (
        "[[image, text_ja]]",
        "[[image, image]]",
        "g.yaml:13:13: bind.targets[0]: both are the space 'image' (expected two different spaces)",
    ),
    (
        "[[image, text_ja]]",
        "[[image, text_ja], [text_ja, image]]",
        "g.yaml:13:31: bind.targets: the pair text_ja, image is given twice",
    ),
    (
        "[[image, text_ja]]",
        "[[image]]",
        "g.yaml:13:13: bind.targets[0]: got a list (expected a pair of spaces such as [image, audio])",
    ),
    (
        "[[image, text_ja]]",
        "[image, text_ja]",
        "g.yaml:13:12: bind.targets: got a list (expected 'all', or a list of pairs such as [[image, "
        "audio]]; for one pair write [[image, text_ja]])",
    ),
    (
        "[[image, text_ja]]",
        "every",
        "g.yaml:13:12: bind.targets: got 'every' (expected 'all', or a list of pairs such as [[image, "
        "audio]])",
    ),
    (
        "  targets: [[image, text_ja]]\n",
        "",
        "g.yaml:12:1: bind: the key 'targets' is missing",
    ),
    (
        "method: pcca",
        "method: pca",
        "g.yaml:14:11: no binder method named 'pca' is installed (expected one of auto, mox, pcca, "
        "ridge-chain; did you mean 'pcca'?)",
    ),
    (
        "{rank: auto}",
        "{rank: 1.5}",
        "g.yaml:15:19: rank: got 1.5 (float) (expected a whole number, at least 1, or auto)",
    ),
    (
        "{rank: auto}",
        "{rnak: 3}",
        "g.yaml:15:13: unknown option 'rnak' (expected one of rank; did you mean 'rank'?)",
    ),
    (
        "{rank: auto}",
        "[rank]",
        "g.yaml:15:12: bind.options: got a list (expected a mapping)",
    ),
    (
        "    pair: [image, text_ja]\n",
        "",
        "g.yaml:17:5: evaluate[0]: the key 'pair' is missing",
    ),
    (
        "dataset: {use: emoji, split: test}",
        "dataset: pictures",
        "g.yaml:17:14: evaluate[0].dataset: got 'pictures' (expected a mapping such as {use: NAME})",
    ),
    (
        "oracle: {use: emoji, split: oracle}",
        "oracle: {use: clips}",
        "g.yaml:19:13: the data set does not hold text_ja, which the pair needs (expected true pairs "
        "of image and text_ja; it holds image, audio)",
    ),
    (
        "[ridge-chain, mox]",
        "[ridge, mox]",
        "g.yaml:20:17: no binder method named 'ridge' is installed (expected one of auto, mox, pcca, "
        "ridge-chain; did you mean 'ridge-chain'?)",
    ),
    (
        "baselines:",
        "baseline:",
        "g.yaml:20:5: unknown key 'baseline' (expected one of dataset, pair, oracle, baselines; did "
        "you mean 'baselines'?)",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "problem"), MISTAKES, ids=[f"{old[:20]}→{new[:30]}" for old, new, _ in MISTAKES]
)
def test_each_mistake_is_named_with_its_place(old, new, problem, problems, changed):
    assert problem in problems(changed(old, new))


def test_an_ambiguous_modality_lists_its_spaces(problems, changed):
    text = changed(
        "  image: {use", "  dino: {modality: image, use: efficientnet-lite0}\n  lite: {modality: image, use"
    )
    found = problems(text)
    assert found == [
        f"g.yaml:{line}: the modality 'image' is ambiguous: it has 2 spaces (expected one of dino, lite)"
        for line in ("14:14", "19:12")
    ]


def test_the_long_form_must_say_the_modality(problems, changed):
    (first, *_) = problems(changed("  image: {use", "  dino: {use"))
    assert first.startswith("g.yaml:6:3: no modality named 'dino' is known (expected an installed modality")


def test_a_circle_of_kinds_is_refused_without_a_registry_too(problems, changed, registry):
    text = changed("{text_en: {kind: text}", "{text_en: {kind: text_ja}").replace(
        "{kind: text}", "{kind: text_en}"
    )
    for installed in (registry, None):
        assert problems(text, installed) == [
            "g.yaml:4:30: the kinds go round in a circle: text_en → text_ja → text_en",
            "g.yaml:4:56: the kinds go round in a circle: text_ja → text_en → text_ja",
        ]


def test_kinds_of_kinds_are_followed(parse, changed):
    text = changed("text_ja: {kind: text}", "spoken: {kind: text}, text_ja: {kind: spoken}")
    assert parse(text).encoders["text_ja"].use == "use-multilingual"


def test_what_hangs_on_a_mistake_is_not_reported_again(problems, changed):
    """An encoder of an unknown modality: whether the data sets still join two spaces cannot be said."""
    found = problems(changed("  image: {use", "  image: {modality: imgae, use"))
    assert [problem.split(" (")[0] for problem in found] == [
        "g.yaml:6:21: no modality named 'imgae' is known"
    ]


def test_one_encoder_is_not_enough(problems):
    text = "version: 1\nname: n\nencoders: {image: {use: efficientnet-lite0}}\n"
    assert problems(text + "datasets: {}\nbind: {targets: all}\n") == [
        "g.yaml:3:1: fewer than two encoders: there is nothing to bind (expected at least two)",
        "g.yaml:4:11: datasets: got an empty mapping (expected at least one data set)",
    ]


def test_an_oracle_and_baselines_may_be_left_empty(parse, changed):
    text = changed("oracle: {use: emoji, split: oracle}", "oracle: null").replace("[ridge-chain, mox]", "[]")
    (judged,) = parse(text).evaluate
    assert (judged.oracle, judged.baselines) == (None, ())
    assert parse(
        changed("{use: emoji, split: d1, modalities: [image, text_en]}", "{use: emoji, modalities: null}")
    )
