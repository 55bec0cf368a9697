"""The lists of an installation: look at them, add, edit, and retire them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from newsletter.actions.calendar.course import standing_of, whole_course
from newsletter.actions.subscribers.onboarding import series_of
from newsletter.domain.calendar.course import Places, Standing
from newsletter.domain.english import plural
from newsletter.domain.errors import InputError, NotFound, Refused
from newsletter.domain.lists import FROM_SETTINGS, MOST, MailingList, Order, checked_key, open_to_all
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store, Tx


@dataclass(frozen=True, slots=True)
class ListStatus:
    """A list with what it has. settings: its own texts and, where it has none, the installation's, by FROM_SETTINGS.

    subscribers: how many get its next issue. statuses: by displayed status. tips: those that can still be sent; of a course,
    all that can be sent. standing, places: of a course, where its subscribers are, those who are paused included. series: the
    same for the welcome series of this list. series_for: the keys of the lists whose welcome series it is.
    """

    list: MailingList
    settings: Mapping[str, str]
    subscribers: int
    statuses: Mapping[str, int]
    tips: int
    standing: Standing | None = None
    places: Places = field(default_factory=dict)
    series: Standing | None = None
    series_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lists:
    """Manage lists. settings_of: a list's own settings in, those with the inherited ones out; raises SettingsError."""

    store: Store
    clock: Clock
    settings_of: Callable[[Mapping[str, str]], Mapping[str, str]]

    def each(self, *, retired: bool = False) -> list[ListStatus]:
        """The lists in their order."""
        with self.store.read() as tx:
            found = tx.lists.each(retired=retired)
        return [self._status(one) for one in found]

    def get(self, key: str) -> ListStatus:
        """Raises NotFound."""
        with self.store.read() as tx:
            found = tx.lists.get(key)
        return self._status(found)

    def offered(self) -> list[MailingList]:
        """The lists that anybody may sign up for."""
        with self.store.read() as tx:
            return open_to_all(tx.lists.each())

    def add(self, new: MailingList) -> ListStatus:
        """Add a list. Raises InputError, SettingsError, and Refused for a key that is taken."""
        new = replace(new, key=checked_key(new.key))
        if not new.own.get("title", "").strip():
            raise InputError("a list needs a title", fix="Pass --title, such as --title 'Business Advice'")
        self._check_values(new)
        with self.store.write() as tx:
            known = tx.lists.each(retired=True)
            if any(one.key == new.key for one in known):
                raise Refused(f"there is a list {new.key} already", fix=f"See: newsletter lists show {new.key}")
            if len(known) >= MOST:
                raise Refused(f"there can be up to {MOST} lists")
            _check_links(new, known)
            added = tx.lists.add(new, self.clock())
        return self._status(added)

    def edit(self, key: str, **changes: object) -> ListStatus:
        """Change fields of `MailingList` by name; `own` is merged, and an empty text inherits again.

        Raises as `add`, and NotFound. The first list takes its settings from .env.
        """
        own: Mapping[str, str] = changes.pop("own", {})  # type: ignore[assignment]
        with self.store.write() as tx:
            before = tx.lists.get(key)
            if before.is_first and own:
                raise Refused(
                    f"the list {before.key} takes its settings from .env",
                    fix=f"Set NEWSLETTER_{next(iter(own)).strip('_').upper()} there",
                )
            merged = {name: text for name, text in {**before.own, **own}.items() if text.strip()}
            if before.is_first and changes.get("public") is False:
                raise Refused(
                    f"the list {before.key} is that of the settings and has the plain addresses, so it is always public",
                    fix="Add a list for what is not public: newsletter lists add KEY --title TEXT --private",
                )
            after = replace(before, own=merged, **changes)  # type: ignore[arg-type]
            if not after.is_first and "title" not in merged:
                raise InputError("a list needs a title")
            self._check_values(after)
            _check_links(after, tx.lists.each(retired=True))
            tx.lists.write(after)
        return self._status(after)

    def retire(self, key: str, *, undo: bool = False) -> ListStatus:
        """End a list, or take that back: no more issues and sign-ups. Nothing is deleted, and its archive stays public.

        Raises NotFound, and Refused for the first list, for one with an issue that is being sent, for one that other lists
        lead to, and for a course whose subscribers are still to come to another list.
        """
        with self.store.write() as tx:
            found = tx.lists.get(key)
            if found.is_first:
                raise Refused(f"the list {found.key} is that of the settings and cannot be retired")
            leading = [one.key for one in tx.lists.each() if found.key in (one.then, one.onboarding)]
            if leading and not undo:
                raise Refused(
                    f"subscribers of {', '.join(leading)} would still come to {found.key}",
                    fix=f"First change that: newsletter lists edit {leading[0]} --then '' --onboarding ''",
                )
            seen = tx.of_list(found.id)
            if seen.issues.open() and not undo:
                raise Refused(
                    f"an issue of {found.key} is being sent",
                    fix=f"Wait until it is done, or cancel it: newsletter issues list --list {found.key}",
                )
            if not undo:
                _check_stranded(seen, found)
            found = replace(found, retired_at=None if undo else self.clock())
            tx.lists.write(found)
        return self._status(found)

    def _check_values(self, new: MailingList) -> None:
        """Raises SettingsError for a value that the settings would not take either."""
        if unknown := new.own.keys() - set(FROM_SETTINGS):
            raise InputError(f"a list has no setting of its own for {', '.join(sorted(unknown))}")
        self.settings_of({**new.own, **({"rerun_after": new.again_after} if new.again_after else {})})
        if new.order is Order.TOGETHER and (new.then or new.again_after):
            raise InputError("only a course has an end", fix="Add --order course")
        if new.then and new.again_after:
            raise InputError(
                "a course leads to another list or begins again, not both", fix="Drop --then or --again-after"
            )

    def _status(self, found: MailingList) -> ListStatus:
        with self.store.of_list(found.id).read() as tx:
            statuses, plans, settings = tx.subscribers.count(), tx.calendar.plans(), self.settings_of(found.own)
            leading = tuple(one.key for one in tx.lists.each() if one.onboarding == found.key)
            if found.order is not Order.COURSE:
                tips = sum(plan.complete and not plan.runs for plan in plans)
                series = series_of(tx)
                standing = standing_of(series) if series else None
                audience = tx.subscribers.mailable()
                return ListStatus(found, settings, audience, statuses, tips, series=standing, series_for=leading)
            course, places = whole_course(plans), tx.courses.places(everybody=True)
            tips, standing = sum(step.is_sendable for step in course.steps), course.standing(places)
            audience = sum(course.shares(tx.courses.places()).values())
            return ListStatus(
                found, settings, audience, statuses, tips, standing, course.in_order(places), series_for=leading
            )


def _check_stranded(tx: Tx, found: MailingList) -> None:
    """Whoever signed up for a list with a welcome series must not wait for that list for ever."""
    standing = standing_of(tx)
    if found.then and (under_way := standing.waiting + standing.on_the_way):
        raise Refused(
            f"{plural(under_way, 'subscriber')} of {found.key} would never get to {found.then}",
            fix=f"Let nobody else in, and retire it when they have finished: newsletter lists edit {found.key} --private; "
            f"or, if they are to get nothing more: newsletter lists edit {found.key} --then ''",
        )


def _check_links(new: MailingList, known: list[MailingList]) -> None:
    """`then` and `onboarding` lead to lists that exist, and no way leads back to its beginning."""
    lists = {one.key: one for one in known} | {new.key: new}
    for key in filter(None, (new.then, new.onboarding)):
        if key not in lists or lists[key].retired_at:
            raise NotFound(f"there is no list {key[:60]!r}", fix="See: newsletter lists list")
        if key == new.key:
            raise InputError(f"the list {key} cannot lead to itself")
    if new.onboarding and lists[new.onboarding].order is not Order.COURSE:
        raise InputError(
            f"{new.onboarding} is no course, so nobody would ever come from it to {new.key}",
            fix=f"Make it one: newsletter lists edit {new.onboarding} --order course --then {new.key}",
        )
    for one in lists.values():
        if one.onboarding and not one.retired_at and one.key not in _ways(lists, one.onboarding):
            raise InputError(
                f"{one.onboarding} does not lead to {one.key}, so new subscribers of {one.key} would never get there",
                fix=f"First run: newsletter lists edit {one.onboarding} --then {one.key}",
            )
    seen = [new.key]
    while following := lists[seen[-1]].then:
        if following in seen:
            raise InputError(f"the courses lead around in a circle: {' → '.join([*seen, following])}")
        seen.append(following)


def _ways(lists: Mapping[str, MailingList], start: str) -> list[str]:
    """The lists that subscribers of a course come to, one after the other."""
    found = list[str]()
    while (following := lists[start].then) and following not in found:
        found.append(following)
        start = following
    return found
