"""A local folder with a text encoder and some texts in, their embeddings out; the only file that imports transformers.

Nothing is downloaded, and no code that comes with a model is run: the folder is what `save_pretrained` writes, its
weights are safetensors.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brainmusic_daemon.api import ConfigError, FloatArray
from brainmusic_daemon.there import expanded, is_file, is_folder

CLAP = ("clap", "clap_text_model")
_BATCH = 16


def check(folder: Path) -> Path:
    """Return the folder, found to be a model's.  Raises ConfigError."""
    folder = expanded(folder)
    if not is_folder(folder):
        raise ConfigError(
            f"encoder: there is no folder '{folder}'; download a text encoder first (docs/mapping.md), "
            "nothing is downloaded while playing"
        )
    if not is_file(folder / "config.json"):
        raise ConfigError(f"encoder: '{folder}' has no config.json: it is no folder of a transformers model")
    if not [*folder.glob("*.safetensors")]:
        raise ConfigError(f"encoder: '{folder}' has no weights in safetensors (other formats may hold code)")
    return folder


def embed(folder: Path, texts: Sequence[str]) -> FloatArray:
    """Return (n_texts, n) float64, every row of length 1.  Some seconds; not for the tick.  Raises ConfigError."""
    try:
        import torch
        import transformers
    except ImportError as error:
        raise ConfigError(
            f"encoder needs the package '{error.name}': pip install \"brainmusic-daemon[clap]\""
        ) from error
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # of other people's deprecations
            config: Any = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
            tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model: Any = _kind(transformers, config).from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
            model.eval()
            if tokenizer.pad_token is None:
                tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
            rows = []
            for begin in range(0, len(texts), _BATCH):
                batch = tokenizer(
                    list(texts[begin : begin + _BATCH]),
                    padding=True,
                    truncation=True,
                    return_tensors="pt",
                    max_length=_longest(config, tokenizer),
                )
                rows.append(_pooled(model, batch).to(torch.float64).numpy())
    except ConfigError:
        raise
    except Exception as error:
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ConfigError(f"encoder: '{folder}' cannot be used as a text encoder: {said[:200]}") from error
    found = np.concatenate(rows)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    if found.ndim != 2 or not np.isfinite(found).all() or (length == 0).any():
        raise ConfigError(f"encoder: '{folder}' gives values that are not finite: its weights are broken")
    return np.asarray(found / length)


def _kind(transformers: Any, config: Any) -> Any:
    if config.model_type in CLAP:
        return transformers.ClapTextModelWithProjection
    if getattr(config, "is_encoder_decoder", False):
        return transformers.AutoModelForTextEncoding  # the half that reads, of T5 and its kin
    return transformers.AutoModel


def _longest(config: Any, tokenizer: Any) -> int:
    """Return how many tokens fit; RoBERTa's first positions (CLAP's too) are taken by the padding."""
    text = getattr(config, "text_config", config)
    places = int(getattr(text, "max_position_embeddings", 512) or 512)
    return max(8, min(places - 2, int(tokenizer.model_max_length), 512))


def _pooled(model: Any, batch: Any) -> Any:
    """Return (n_texts, n): the projection where the model has one, else the mean over the tokens."""
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask") if key in batch}
    if hasattr(model, "get_text_features"):  # CLIP and its kin: text and something else
        found = model.get_text_features(**inputs)
        return getattr(found, "pooler_output", found)
    found = model(**inputs)
    if getattr(found, "text_embeds", None) is not None:
        return found.text_embeds
    mask = inputs["attention_mask"].unsqueeze(-1).to(found.last_hidden_state.dtype)
    return (found.last_hidden_state * mask).sum(1) / mask.sum(1).clamp(min=1)
