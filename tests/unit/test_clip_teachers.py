"""Teachers of clips: heard as transformers hears, trained from scratch, saved, disturbed in training alone; and anybody's callables."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
import transformers

from limbeck import find
from limbeck.engine.batches import Examples, batches
from limbeck.errors import DataError, TeacherError
from limbeck.modalities._clip import of_samples, tone
from limbeck.teachers._from_scratch import Separable
from limbeck.teachers.huggingface_audio import HuggingfaceAudio
from limbeck.teachers.resnet_audio import Disturbed, ResnetAudio, _warps

LOGITS = frozenset({"logits_BC"})
RATE = 16_000


def noise(count: int, seed: int = 0) -> np.ndarray:
    return (0.2 * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


@pytest.mark.parametrize("count", [3000, 40_000])
def test_a_model_of_transformers_answers_as_behind_its_own_extractor(tmp_path: Path, count: int) -> None:
    teacher = HuggingfaceAudio.tiny(tmp_path)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(tmp_path)
    model = transformers.AutoModelForAudioClassification.from_pretrained(tmp_path).eval()
    samples = noise(count)
    with torch.inference_mode():
        expected = model(**extractor(samples, sampling_rate=RATE, return_tensors="pt")).logits.numpy()
    found = teacher.answer([of_samples(samples, RATE)], LOGITS).logits_BC
    np.testing.assert_allclose(found, expected, atol=1e-4)


def waves(folder: Path) -> Path:
    """A very small model that hears samples themselves."""
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=(8, 8), conv_kernel=(10, 3),
        conv_stride=(5, 2), num_feat_extract_layers=2, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2, classifier_proj_size=8,
        id2label={0: "no", 1: "yes"}, label2id={"no": 0, "yes": 1},
    )  # fmt: skip
    transformers.Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("count", [4000, 4160, 4320])
def test_a_model_is_told_what_its_extractor_filled_up(tmp_path: Path, count: int) -> None:
    torch.manual_seed(0)
    config = transformers.Wav2Vec2BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, feature_projection_input_dim=32,
        classifier_proj_size=8, add_adapter=False, id2label={0: "no", 1: "yes"}, label2id={"no": 0, "yes": 1},
    )  # fmt: skip
    model = transformers.Wav2Vec2BertForSequenceClassification(config).eval()
    with torch.no_grad():
        for weight in (p for p in model.parameters() if p.ndim > 1):
            weight.normal_(0.0, (2.5 / weight[0].numel()) ** 0.5)
    model.save_pretrained(tmp_path)
    extractor = transformers.SeamlessM4TFeatureExtractor(num_mel_bins=16)
    extractor.save_pretrained(tmp_path)
    samples = noise(count)
    made = extractor(samples, sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**made).logits.numpy()
        unmasked = model(input_features=made["input_features"]).logits.numpy()
    assert (np.abs(expected - unmasked).max() > 0.01) == (not made["attention_mask"].all())
    teacher = HuggingfaceAudio.load(HuggingfaceAudio.Settings(str(tmp_path)))
    found = teacher.answer([of_samples(samples, RATE)], LOGITS)
    np.testing.assert_allclose(found.logits_BC, expected, atol=1e-4)
    encoded = Examples(teacher.encode([of_samples(samples, RATE)] * 3), np.zeros(3, np.int64))
    batch = next(batches(encoded, teacher.collate, batch_size=2, epochs=1, seed=0, device="cpu"))
    np.testing.assert_allclose(teacher.module(**batch.inputs).logits_BC.detach()[:1], expected, atol=1e-4)


def test_clips_of_many_lengths_do_not_touch_each_other(tmp_path: Path) -> None:
    teacher = HuggingfaceAudio.load(HuggingfaceAudio.Settings(str(waves(tmp_path))))
    clips = [
        of_samples(noise(count, count), rate)
        for count, rate in ((2000, RATE), (9000, RATE), (2000, RATE), (900, 8000), (10, RATE))
    ]
    together = teacher.answer(clips, LOGITS).logits_BC
    alone = np.concatenate([teacher.answer([c], LOGITS).logits_BC for c in clips])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert teacher.labels == ("no", "yes")
    with pytest.raises(TeacherError, match=r"teacher\.seconds"):
        teacher.collate(teacher.encode(clips))
    fixed = HuggingfaceAudio.load(HuggingfaceAudio.Settings(str(tmp_path), seconds=0.25))
    assert fixed.collate(fixed.encode(clips))["values"].shape == (5, 4000)
    assert fixed.fingerprint() != teacher.fingerprint()


def test_a_backbone_without_a_head_gets_one_and_is_saved_with_it(tmp_path: Path) -> None:
    for name in ("whole", "bare", "saved"):
        (tmp_path / name).mkdir()
    whole = HuggingfaceAudio.tiny(tmp_path / "whole")
    whole.module.backbone.base_model.save_pretrained(tmp_path / "bare")
    (tmp_path / "bare" / "preprocessor_config.json").write_bytes((tmp_path / "whole" / "preprocessor_config.json").read_bytes())
    bare = HuggingfaceAudio.load(HuggingfaceAudio.Settings(str(tmp_path / "bare")))
    assert not bare.has_head
    bare.add_head(["cat", "dog"], seed=3)
    own = {name.split(".", 2)[0] + "." + name.split(".", 2)[1] for name, _ in bare.module.named_parameters()}
    assert own - set(bare.heads) == {f"backbone.{bare.module.backbone.base_model_prefix}"}, (
        "the head alone has a rate of its own"
    )
    assert bare.heads
    bare.save(tmp_path / "saved")
    again = HuggingfaceAudio.load(HuggingfaceAudio.Settings(str(tmp_path / "saved")))
    assert again.labels == ("cat", "dog")
    clips = [of_samples(noise(4000), RATE)]
    np.testing.assert_array_equal(again.answer(clips, LOGITS).logits_BC, bare.answer(clips, LOGITS).logits_BC)


def test_no_model_is_an_error_with_a_way_out() -> None:
    with pytest.raises(TeacherError, match="resnet_audio is trained here"):
        HuggingfaceAudio.load(HuggingfaceAudio.Settings())


@pytest.mark.parametrize("filters", ["full", "separable"])
def test_it_begins_anew_for_each_seed_and_is_saved_with_what_its_norms_keep(
    tmp_path: Path, filters: Literal["full", "separable"]
) -> None:
    settings = ResnetAudio.Settings(width=4, filters=filters, rate=8000, seconds=0.25, mels=8, window=0.016, hop=0.01)
    one, same, other = (ResnetAudio.load(settings) for _ in range(3))
    assert one.fingerprint() == same.fingerprint()  # else a run that is taken up would be another one
    for teacher, seed in ((one, 1), (same, 1), (other, 2)):
        assert not teacher.has_head
        teacher.add_head(["a", "b"], seed)
    clips = [of_samples(noise(2000, seed), 8000) for seed in range(5)]
    np.testing.assert_array_equal(one.answer(clips, LOGITS).logits_BC, same.answer(clips, LOGITS).logits_BC)
    one.module.train()
    one.module(torch.from_numpy(one.collate(one.encode(clips))["features"]))  # the norms see a batch
    found = [t.answer(clips, LOGITS).logits_BC for t in (one, same, other)]
    assert not np.array_equal(found[0], found[1])
    assert not np.array_equal(found[1], found[2])
    one.save(tmp_path)
    again = ResnetAudio.load(ResnetAudio.Settings(str(tmp_path)))
    np.testing.assert_array_equal(again.answer(clips, LOGITS).logits_BC, found[0])
    assert again.reads() == one.reads()
    with pytest.raises(TeacherError, match="holds no residual network for clips"):
        ResnetAudio.load(ResnetAudio.Settings(str(tmp_path / "absent")))


def test_windows_are_as_long_and_as_far_apart_as_they_are_asked_to_be() -> None:
    sizes = {"width": 2, "rate": 8000, "seconds": 0.25, "mels": 8}
    usual, short, fine = (
        ResnetAudio.load(ResnetAudio.Settings(**sizes, **more)) for more in ({}, {"window": 0.016}, {"hop": 0.004})
    )  # type: ignore[arg-type]
    clips = [of_samples(noise(2000), 8000)]
    shapes = [teacher.collate(teacher.encode(clips))["features"].shape for teacher in (usual, short, fine)]
    assert shapes == [(1, 1 + (2000 - window) // hop, 8) for window, hop in ((256, 128), (128, 64), (256, 32))]
    specs = [teacher.reads() for teacher in (usual, short, fine)]
    assert len({str(spec) for spec in specs}) == 3
    with pytest.raises(DataError, match="hop, window, fft and the clip rise"):
        ResnetAudio.load(ResnetAudio.Settings(**sizes, hop=0.1))  # type: ignore[arg-type]


def test_separable_filters_over_time_and_frequency_see_one_channel_each() -> None:
    sizes = {"width": 6, "rate": 8000, "seconds": 0.25, "mels": 8}
    full, separable = (ResnetAudio.load(ResnetAudio.Settings(filters=filters, **sizes)) for filters in ("full", "separable"))  # type: ignore[arg-type]
    wide = [m for m in separable.module.blocks.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size != (1, 1)]
    assert [m.weight.shape[1] for m in wide] == [1, 1, 1]
    assert separable.parameters < full.parameters / 3
    separable.add_head(["a", "b"], seed=0)
    for layer in wide:  # drawn by what one filter gives, not by what all of them would
        assert 0.5 < float(layer.weight.detach().std()) / (2 / 9) ** 0.5 < 1.5
    block, dice = Separable(6, 6, stride=1, dropout=0.5), torch.Generator().manual_seed(0)
    for norm in (block.first_norm, block.second_norm):  # as after some training: fresh ones would do nothing
        norm.running_mean.normal_(0.0, 1.0, generator=dice)
    x = torch.randn(2, 6, 5, 4, generator=dice)
    bent = torch.relu(block.eval().second_norm(block.first(torch.relu(block.first_norm(x)))))
    torch.testing.assert_close(block(x), block.second(bent) + x)
    assert Separable(6, 8, stride=2, dropout=0.0).eval()(x).shape == (2, 8, 3, 2)
    block.train()
    assert not torch.equal(block(x), block(x))


def test_features_are_disturbed_in_training_alone_and_follow_their_seed() -> None:
    hertz = torch.linspace(100, 3900, 12)
    disturbed = Disturbed(hertz, throat=0.2, tempo=0.2, room=0.4, mask=0.3)
    x = torch.randn(6, 20, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(disturbed.eval()(x), x)
    disturbed.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first = disturbed(x)
        torch.manual_seed(0)
        again, other = disturbed(x), disturbed(x)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == x.shape
    masked = ((first == 0).all(dim=2).any(dim=1), (first == 0).all(dim=1).any(dim=1))
    assert all(bool(m.any()) for m in masked)
    still = Disturbed(hertz, throat=0.0, tempo=0.0, room=0.0, mask=0.0).train()
    assert torch.equal(still(x), x)


def test_a_throat_moves_a_tone_to_another_band_and_the_middle_one_moves_nothing() -> None:
    hertz = torch.linspace(100, 4000, 40)
    warps = _warps(hertz, 0.25)
    torch.testing.assert_close(warps[10], torch.eye(40))
    torch.testing.assert_close(warps.sum(dim=1), torch.ones(21, 40))
    band = torch.zeros(40)
    band[20] = 1.0  # 2100 Hz; what is read at 1.25 times a frequency was heard at that
    assert abs(float(hertz[(band @ warps[-1]).argmax()]) - 2100 / 1.25) < 101
    assert abs(float(hertz[(band @ warps[0]).argmax()]) - 2100 * 1.25) < 101


def test_callables_and_modules_may_hear_clips() -> None:
    def highness(clips: list) -> np.ndarray:
        high = np.array([np.abs(np.diff(c["array"])).mean() / (np.abs(c["array"]).mean() + 1e-9) > 0.7 for c in clips], float)
        return np.stack([1 - high, high], axis=1)

    payloads = [tone(8000, 0.2, 200, 200), tone(8000, 0.2, 3000, 3000)]
    function = find("teachers", "function")(highness, ["low", "high"], reads="audio")
    assert function.answer(payloads, LOGITS).logits_BC.argmax(1).tolist() == [0, 1]

    class Sign(torch.nn.Module):
        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return torch.stack([-values, values], dim=1)

    def encode(clips: list) -> dict:
        return {"values": highness(clips)[:, 1].astype(np.float32) - 0.5}

    module = find("teachers", "torch_module")(Sign(), encode, ["low", "high"], reads="audio")
    assert module.answer(payloads, LOGITS).logits_BC.argmax(1).tolist() == [0, 1]
