"""The panel of an image model: a prompt, what the model lets one choose, and the image."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import ClassVar

import msgspec
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.widgets import Button, Input, Label, Select, TextArea

from ominix_core.errors import OminixError
from ominix_core.media import Abilities, ImageRequest
from ominix_core.states import Loaded, ModelState
from ominix_tui.panels.base import ModelPanel
from ominix_tui.widgets.attachments import Attachments
from ominix_tui.widgets.gallery import Gallery
from ominix_tui.widgets.image_stage import ImageStage, Take
from ominix_tui.widgets.number_field import NumberField
from ominix_tui.widgets.prompt_area import PromptArea
from ominix_tui.widgets.telling import telling

USUAL_SIZES = ("1024x1024", "768x1024", "1024x768", "512x512")
USUAL_STEPS, MOST_STEPS = 20, 100
USUAL_GUIDANCE, STRONGEST_GUIDANCE = 4.0, 20.0
GREATEST_SEED = 2**32 - 1
WHY_HIDDEN = "This model was distilled to work without guidance and negative prompts; it has no use for them."


class ImageGenerationPanel(ModelPanel):
    """Make images: Enter in the prompt generates, Escape stops."""

    DEFAULT_CSS = """
    ImageGenerationPanel {
        #prompt-row { height: auto; }
        #negative-row, #options-row, #generate-row, #actions { height: 1; }
        #negative { width: 1fr; }
        #options-row > * { margin-right: 1; }
        #size { width: 13; }
        #steps Input { width: 4; }
        #guidance Input { width: 5; }
        #seed Input { width: 11; }
        #note { width: 1fr; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
        Button { min-width: 0; padding: 0 1; margin-left: 1; }
        #actions { padding: 0 1; }
        Gallery { width: 1fr; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+g", "generate", "Generate", id="image.generate", tooltip="Make an image of the prompt"),
        Binding("escape", "stop", "Stop", id="image.stop", tooltip="Stop making the image"),
        Binding("ctrl+s", "save", "Save PNG", id="image.save", tooltip="Keep the image as a file"),
        Binding("ctrl+r", "regenerate", "Again", id="image.again", tooltip="The same once more, with another seed"),
        Binding("c", "copy_prompt", "Copy", id="image.copy", tooltip="Copy the image's prompt", show=False),
    ]

    PROMPT_LINES = 4

    def compose(self) -> ComposeResult:
        with Container(id="form", classes="box") as form:
            form.border_title = "New image"
            with Horizontal(id="prompt-row"):
                yield Label("Prompt", classes="caption")
                yield PromptArea(
                    placeholder="What the image shows", compact=True, highlight_cursor_line=False, id="prompt"
                )
            with Horizontal(id="negative-row"):
                yield Label("Without", classes="caption")
                yield Input(placeholder="What it shall not show, if you like", compact=True, id="negative")
            yield Attachments("From")
            with Horizontal(id="options-row"):
                sizes = self.entry.defaults.sizes or USUAL_SIZES
                named = [(size.replace("x", "×"), size) for size in sizes]
                yield Select(named, value=_first_size(sizes), allow_blank=False, compact=True, id="size")
                steps, guidance = self.entry.defaults.steps, self.entry.defaults.guidance
                yield NumberField("Steps", steps or USUAL_STEPS, 1, MOST_STEPS, id="steps")
                initial = USUAL_GUIDANCE if guidance is None else guidance
                yield NumberField("CFG", initial, 0.0, STRONGEST_GUIDANCE, id="guidance")
                yield NumberField("Seed", None, 0, GREATEST_SEED, id="seed", when_empty="auto")
            with Horizontal(id="generate-row"):
                yield Label(id="note", markup=False)
                yield Button("▶ Generate", variant="primary", compact=True, id="generate")
        yield Label(id="problem", markup=False)
        yield ImageStage(id="stage", classes="box result")
        with Horizontal(id="actions"):
            yield Gallery(id="gallery")
            yield Button("Save PNG", compact=True, id="save")
            yield Button("Regenerate", compact=True, id="regenerate")
            yield Button("Copy Prompt", compact=True, id="copy")

    def on_mount(self) -> None:
        self._show_abilities(None)
        self._show_buttons()

    # -- the protocol of panels ---------------------------------------------------------------------------------

    @property
    def holds_work(self) -> bool:
        stage = self.query_one(ImageStage)
        sources = self.query_one(Attachments).images
        return bool(self.query_one(PromptArea).text or sources or stage.running or stage.takes)

    def show_hint(self) -> None:
        self.query_one(ImageStage).show_hint(self.hint("The image appears here.", "type your prompt"))

    def show_state(self, state: ModelState) -> None:
        super().show_state(state)
        self.query_one("#generate").disabled = not isinstance(state, Loaded)
        if isinstance(state, Loaded):
            self._show_abilities(self.hub.abilities(self.entry.id))

    def focus_first(self) -> None:
        self.query_one(PromptArea).focus()

    # -- the form -----------------------------------------------------------------------------------------------

    def _show_abilities(self, abilities: Abilities | None) -> None:
        """Offer what the model honours; before it is loaded, what the registry says."""
        honours_all = self.entry.defaults.negative_prompt is not False
        negative = "negative_prompt" in abilities.options if abilities else honours_all
        guidance = "guidance" in abilities.options if abilities else honours_all
        self.query_one("#negative-row").display = negative
        self.query_one("#guidance").display = guidance
        sources = abilities.images if abilities is not None else 0
        row = self.query_one(Attachments)
        row.display = self.query_one(PromptArea).takes_files = sources > 0
        row.limit = sources
        note = self.query_one("#note", Label)
        note.update("" if negative and guidance else "Distilled: no CFG, no negatives.")
        note.tooltip = None if negative and guidance else WHY_HIDDEN

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _on_edit(self) -> None:
        for field in self.query(NumberField):
            if field.has_class("-wrong"):
                field.check()
        self.show_problem(None)

    @on(PromptArea.FilesDropped)
    def _on_dropped(self, event: PromptArea.FilesDropped) -> None:
        self.query_one(Attachments).attach(event.paths)

    @on(Attachments.Refused)
    def _on_refused(self, event: Attachments.Refused) -> None:
        self.show_problem(event.problem)

    @on(PromptArea.Submitted)
    @on(Input.Submitted)
    def _on_submit(self) -> None:
        self.action_generate()

    @on(Button.Pressed)
    def _on_button(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "generate" if self.query_one(ImageStage).running:
                self.action_stop()
            case "generate":
                self.action_generate()
            case "save":
                self.action_save()
            case "regenerate":
                self.action_regenerate()
            case "copy":
                self.action_copy_prompt()

    def _read_form(self) -> ImageRequest | None:
        """What the form asks for, or None after saying at the field what is wrong with it."""
        prompt = self.query_one(PromptArea)
        if not prompt.text.strip():
            self._refuse("Type a prompt first.", prompt)
            return None
        fields = [field for field in self.query(NumberField) if field.display]
        for field in fields:
            if problem := field.check():
                self._refuse(problem, field.query_one(Input))
                return None
        width, _, height = str(self.query_one("#size", Select).value).partition("x")
        steps, guidance, seed = (self.query_one(name, NumberField) for name in ("#steps", "#guidance", "#seed"))
        negative = self.query_one("#negative", Input).value.strip()
        return ImageRequest(
            prompt=prompt.text,
            negative_prompt=(self.query_one("#negative-row").display and negative) or None,
            width=int(width),
            height=int(height),
            steps=int(steps.number or 0),
            guidance=guidance.number if guidance.display else None,
            seed=None if seed.number is None else int(seed.number),
            sources=tuple(image.data for image in self.query_one(Attachments).images),
            previews=True,
        )

    def _refuse(self, problem: str, field: Input | TextArea) -> None:
        self.show_problem(problem)
        field.focus()

    # -- the image ----------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        stage = self.query_one(ImageStage)
        match action:
            case "generate" | "stop":
                return stage.running == (action == "stop")
            case "save" | "copy_prompt":
                return stage.shown is not None
            case "regenerate":
                return stage.shown is not None and not stage.running
        return super().check_action(action, parameters)

    def action_generate(self) -> None:
        request = None if self.query_one(ImageStage).running else self._read_form()
        if request is not None:
            self._make(request)

    def action_regenerate(self) -> None:
        stage = self.query_one(ImageStage)
        if stage.shown is not None and not stage.running:
            self._make(msgspec.structs.replace(stage.shown.request, seed=None))

    def _make(self, request: ImageRequest) -> None:
        try:
            generation = self.hub.generate(self.entry.id, request)
        except OminixError as error:
            self.show_refusal(error)
            return
        self.show_problem(None)
        self.query_one(ImageStage).follow(generation, request)
        self._show_buttons()

    def action_stop(self) -> None:
        self.query_one(ImageStage).stop()

    @work(exclusive=True, group="save")
    @telling
    async def action_save(self) -> None:
        if (take := self.query_one(ImageStage).shown) is not None:
            path = await asyncio.to_thread(_save, take, self.entry.id, self.hub.home.outputs)
            self.notify(f"Saved {path}", title="Image", markup=False)

    def action_copy_prompt(self) -> None:
        if (take := self.query_one(ImageStage).shown) is not None:
            self.app.copy_to_clipboard(take.request.prompt)
            self.notify("The prompt is in the clipboard.", title="Image", markup=False)

    @on(Gallery.Chosen)
    def _on_chosen(self, event: Gallery.Chosen) -> None:
        stage = self.query_one(ImageStage)
        if not stage.running:
            stage.show(stage.takes[event.index])

    @on(ImageStage.Changed)
    def _on_stage_changed(self, event: ImageStage.Changed) -> None:
        if event.failure is not None:
            self.show_problem(event.failure)
        self._show_buttons()

    def _show_buttons(self) -> None:
        stage = self.query_one(ImageStage)
        button = self.query_one("#generate", Button)
        button.label = "■ Stop" if stage.running else "▶ Generate"
        button.variant = "warning" if stage.running else "primary"
        self.query_one("#save").disabled = self.query_one("#copy").disabled = stage.shown is None
        self.query_one("#regenerate").disabled = stage.shown is None or stage.running
        shown = stage.takes.index(stage.shown) if stage.shown in stage.takes else None
        self.query_one(Gallery).show(len(stage.takes), shown)
        self.refresh_bindings()


def _first_size(sizes: tuple[str, ...]) -> str:
    """The size that models are made for, if it is there."""
    return "1024x1024" if "1024x1024" in sizes else sizes[0]


def _save(take: Take, model_id: str, folder: Path) -> Path:
    """Write the image under a name that tells model, seed and time. Raises OminixError."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = folder / f"{model_id}-{take.image.seed}-{stamp}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(take.image.png)
    except OSError as error:
        raise OminixError(f"{path} cannot be written: {error.strerror}.") from error
    return path
