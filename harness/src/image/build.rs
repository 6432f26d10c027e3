//! The image of a crash state, built by what it differs in from one of two images that are kept up to
//! date from point to point: everything survived, and only what is durable did. What differs (pages,
//! sizes, names) is worked out anew from the effects that touched it; the rest is shared.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::content::Content;
use super::page::{PAGE, Page};
use super::survival::{Survival, binding, copy_sectors, garbage, size};
use super::tree::Image;
use crate::base::limits::PAGE_BYTES;
use crate::persistence::{
    Crash, CrashState, EffectKind, EffectNo, Form, Model, PageBytes, Profile, View,
};
use crate::trace::{EventNo, FileId, Place};

/// Every so many events both images are remembered, so that an earlier point is near again.
const REMEMBER: u32 = 64;
/// Most pages that are kept at hand.
const PAGES_KEPT: usize = 4096;

/// Builds the images of a model's crash states; fastest from point to point in order.
#[derive(Clone, Debug)]
pub struct Builder<'m> {
    view: View<'m>,
    live: Base,
    durable: Base,
    /// Effects by the event that made them durable under the weakest rules.
    barriers: BTreeMap<u32, Vec<u32>>,
    remembered: BTreeMap<EventNo, (Base, Base)>,
    pages: HashMap<u32, Option<Page>>,
}

/// An image with what its files hold beyond their ends.
#[derive(Clone, Debug)]
struct Base {
    image: Image,
    /// Files with durable pages beyond their size, which a surviving growth would uncover.
    beyond: BTreeMap<FileId, Content>,
}

impl<'m> Builder<'m> {
    /// A builder that stands before the first event.
    pub fn new(model: &'m Model) -> Self {
        let mut image = Image::from_tree(model.initial());
        for node in model.nodes() {
            image.create(node.file, &node.node, node.mode);
        }
        let base = Base { image, beyond: BTreeMap::new() };
        let mut barriers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for effect in 0..model.effects().len() as u32 {
            if let Some(from) = model.durable_from(EffectNo(effect), Profile::Strict) {
                barriers.entry(from.0 - 1).or_default().push(effect);
            }
        }
        Builder {
            view: View::new(model),
            live: base.clone(),
            durable: base.clone(),
            barriers,
            remembered: [(EventNo(0), (base.clone(), base))].into(),
            pages: HashMap::new(),
        }
    }

    /// The image of a crash state. The state should be legal; what an illegal one would mean is
    /// settled somehow, without a panic.
    pub fn image(&mut self, state: &CrashState) -> Image {
        let point = state.point.min(self.view.model().last_point());
        self.go_to(point);
        let end = self.view.model().effects_before(point);
        match &state.crash {
            Crash::Kill { pages } => self.killed(*pages),
            Crash::Power(loss) => {
                let exceptions = loss.count() + loss.forms().len() as u64;
                let pending = self.view.pending(Profile::Strict);
                let survival = Survival::State(loss);
                if exceptions * 2 <= pending.len() as u64 {
                    let forms = loss.forms().iter().map(|form| form.0);
                    let lost =
                        loss.lost().map(|effect| effect.0).take_while(|effect| *effect < end);
                    let touched: Vec<u32> = lost.chain(forms.filter(|form| *form < end)).collect();
                    let base = self.live.clone();
                    self.apply(base, end, touched, &survival).image
                } else {
                    let kept = pending.iter().copied().filter(|effect| !loss.is_lost(*effect));
                    let touched: Vec<u32> = kept.collect();
                    let base = self.durable.clone();
                    self.apply(base, end, touched, &survival).image
                }
            }
        }
    }

    /// Everything before the point, and the first pages of the write in flight.
    fn killed(&mut self, pages: u32) -> Image {
        let mut image = self.live.image.clone();
        if pages == 0 {
            return image;
        }
        let model = self.view.model();
        for effect in model.effects_of(self.view.point()) {
            match model.effects()[effect as usize].kind {
                EffectKind::Data { file, page, .. } if effect < self.first_of_event() + pages => {
                    let new = self.page_after(effect);
                    image.edit(file, |content| content.set_page(page, new));
                }
                EffectKind::Grow { file, to, offset, .. } => {
                    let cut = (offset / PAGE_BYTES + u64::from(pages)) * PAGE_BYTES;
                    image.edit(file, |content| {
                        let size = content.size().max(cut.min(to));
                        content.resize(size);
                    });
                }
                _ => {}
            }
        }
        image
    }

    fn first_of_event(&self) -> u32 {
        self.view.model().effects_of(self.view.point()).start
    }

    /// Moves both images to a point.
    fn go_to(&mut self, point: EventNo) {
        let model = self.view.model();
        let mut at = self.view.point();
        if point < at || point.0 - at.0 > REMEMBER {
            // The beginning is always remembered.
            let nearest = self.remembered.range(..=point).next_back();
            if let Some((start, bases)) = nearest.filter(|near| *near.0 > at || point < at) {
                (self.live, self.durable) = bases.clone();
                at = *start;
            }
        }
        while at < point {
            // Stop at the places that are to be remembered.
            let next = EventNo(point.0.min((at.0 / REMEMBER + 1) * REMEMBER));
            let end = model.effects_before(next);
            let new: Vec<u32> = (model.effects_before(at)..end).collect();
            let live = self.live.clone();
            self.live = self.apply(live, end, new, &Survival::Everything);
            let confirmed: Vec<u32> = self
                .barriers
                .range(at.0..next.0)
                .flat_map(|(_, effects)| effects)
                .copied()
                .collect();
            let durable = self.durable.clone();
            self.durable = self.apply(durable, end, confirmed, &Survival::Durable(model, next));
            at = next;
            if at.0.is_multiple_of(REMEMBER) {
                self.remembered
                    .entry(at)
                    .or_insert_with(|| (self.live.clone(), self.durable.clone()));
            }
        }
        self.view.advance(point);
    }

    /// Works out anew, in a copy of `base`, everything that `touched` effects touch.
    fn apply(&mut self, mut base: Base, end: u32, touched: Vec<u32>, what: &Survival<'_>) -> Base {
        let model = self.view.model();
        let mut files: BTreeMap<FileId, BTreeSet<u64>> = BTreeMap::new();
        let mut places: Vec<&Place> = Vec::new();
        for effect in touched {
            let kind = &model.effects()[effect as usize].kind;
            match kind {
                EffectKind::Data { file, page, .. } => {
                    files.entry(*file).or_default().insert(*page);
                }
                EffectKind::Grow { file, .. } => {
                    files.entry(*file).or_default();
                }
                EffectKind::Resize { file, .. } => {
                    let pages = model.discarded_pages(EffectNo(effect));
                    files.entry(*file).or_default().extend(pages);
                }
                _ => places.extend(kind.places().into_iter().flatten()),
            }
        }
        for (file, pages) in files {
            self.file(&mut base, file, pages, end, what);
        }
        // Names go first and come afterwards: a node may move from one of them to another.
        let mut bindings = Vec::new();
        for place in places {
            let now = binding(model, place, end, what);
            if base.image.lookup(place.dir, &place.name) != now {
                base.image.unlink(place.dir, &place.name);
                bindings.extend(now.map(|file| (place, file)));
            }
        }
        for (place, file) in bindings {
            base.image.link(place.dir, &place.name, file);
        }
        base
    }

    fn file(
        &mut self,
        base: &mut Base,
        file: FileId,
        pages: BTreeSet<u64>,
        end: u32,
        what: &Survival<'_>,
    ) {
        let Some(content) = base.beyond.get(&file).or_else(|| base.image.content(file)) else {
            return;
        };
        let mut content = content.clone();
        for no in pages {
            let page = self.page(file, no, end, what);
            content.set_page(no, page);
        }
        let model = self.view.model();
        let size = size(model, file, end, what);
        let mut clipped = content.clone();
        clipped.clip(size);
        content.resize_raw(size);
        if clipped.hash() == content.hash() {
            base.beyond.remove(&file);
        } else {
            base.beyond.insert(file, content);
        }
        base.image.edit(file, |old| *old = clipped);
    }

    /// One page of a file: each sector as after the last effect of which it survived.
    fn page(&mut self, file: FileId, no: u64, end: u32, what: &Survival<'_>) -> Option<Page> {
        let model = self.view.model();
        let chain = model.page_effects(file, no);
        let mut bytes: PageBytes = [0; PAGE];
        // Sectors of which nothing is known yet.
        let mut open = 0xff_u8;
        for &effect in chain[..chain.partition_point(|effect| *effect < end)].iter().rev() {
            let arrived = what.arrived(effect);
            match model.effects()[effect as usize].kind {
                EffectKind::Data { .. } if open == 0xff && arrived == 0xff => {
                    return self.page_after(effect);
                }
                EffectKind::Data { .. } => {
                    if arrived & open != 0 {
                        copy_sectors(
                            &mut bytes,
                            &model.page_after(EffectNo(effect)),
                            arrived & open,
                        );
                        open &= !arrived;
                    }
                    if let Some(Form::Sectors { garbage: true, .. }) = what.form(effect) {
                        copy_sectors(&mut bytes, &garbage(effect), open);
                        open = 0;
                    }
                }
                // A shrink discarded the page.
                _ if arrived != 0 => return Page::new(bytes),
                _ => {}
            }
            if open == 0 {
                return Page::new(bytes);
            }
        }
        let old = model.initial_page(file, no);
        let mut initial: PageBytes = [0; PAGE];
        initial[..old.len()].copy_from_slice(old);
        copy_sectors(&mut bytes, &initial, open);
        Page::new(bytes)
    }

    fn page_after(&mut self, effect: u32) -> Option<Page> {
        if let Some(page) = self.pages.get(&effect) {
            return page.clone();
        }
        if self.pages.len() >= PAGES_KEPT {
            self.pages.clear();
        }
        let page = Page::new(self.view.model().page_after(EffectNo(effect)));
        self.pages.insert(effect, page.clone());
        page
    }
}

#[cfg(test)]
mod tests;
