"use strict";

// The live page fetches its panels again every few seconds while somebody can see it, and renews those that changed.
// It says when it cannot: figures that stand still look just like a platform that stands still.

const LONGEST_ANSWER = 10000; // ms

// Put what has changed of a fragment into the page, panel by panel, each known by its id. A panel in which text is
// selected stays as it is; a link that has the focus keeps it.
function renewPanels(page, fragment) {
    for (const fresh of fragment.querySelectorAll("[id]")) {
        const shown = page.getElementById(fresh.id);
        if (!shown || shown.isEqualNode(fresh) || holdsSelection(page, shown)) {
            continue;
        }
        const focused = shown.contains(page.activeElement) ? page.activeElement.getAttribute("href") : null;
        shown.replaceWith(fresh);
        if (focused !== null) {
            [...fresh.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)
                ?.focus({preventScroll: true});
        }
    }
}

function holdsSelection(page, panel) {
    const selection = page.getSelection();
    return !selection.isCollapsed && panel.contains(selection.anchorNode);
}

// One look at the panels: what the page then says of itself.
async function look(page, url, get) {
    let answer;
    try {
        answer = await get(url, {
            credentials: "same-origin", redirect: "manual", signal: AbortSignal.timeout(LONGEST_ANSWER),
        });
    } catch {
        return "lost";
    }
    if (answer.type === "opaqueredirect" || answer.status === 403) {
        return "signed-out";
    }
    if (!answer.ok) {
        return "lost";
    }
    try {
        renewPanels(page, new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
        return "lost";
    }
    return "live";
}

const TEXTS = {
    live: (asOf) => `as of ${asOf}`,
    paused: (asOf) => `paused at ${asOf}`,
    lost: (asOf) => `Connection lost: this is how it was at ${asOf}. Trying again …`,
    "signed-out": (asOf) => `You are signed out: this is how it was at ${asOf}. Reload the page to sign in.`,
};

function keepLive(page, get) {
    const live = page.getElementById("live");
    const state = page.getElementById("live-state");
    if (!live || !state) {
        return;
    }
    let timer = 0;
    let looking = false;
    const say = (word) => {
        const asOf = page.getElementById("live-as-of").textContent;
        state.dataset.state = live.dataset.state = word;
        state.textContent = TEXTS[word](asOf);
    };
    const go = async () => {
        clearTimeout(timer);
        if (looking) {
            return;
        }
        looking = true;
        const word = await look(page, live.dataset.panels, get);
        looking = false;
        say(word);
        if (word !== "signed-out" && !page.hidden) {
            timer = setTimeout(go, Number(live.dataset.seconds) * 1000);
        }
    };
    page.addEventListener("visibilitychange", () => {
        if (page.hidden) {
            clearTimeout(timer);
            say("paused");
        } else {
            go();
        }
    });
    timer = setTimeout(go, Number(live.dataset.seconds) * 1000);
}

keepLive(document, (url, options) => fetch(url, options));
