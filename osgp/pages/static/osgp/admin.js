"use strict";

// A page that tells what happens now keeps itself current: what is marked data-live="seconds", or has a meta
// element live, is fetched again, as long as somebody looks at it and is not in the middle of reading, choosing
// or changing something.
function keepCurrent() {
    const marked = document.querySelector("[data-live]");
    const meta = document.querySelector("meta[name=live]");
    const live = marked ?? document.getElementById("content");
    const seconds = Number(marked?.dataset.live ?? meta?.content);
    if (!seconds) {
        return;
    }
    const changed = (field) => !["hidden", "submit", "button"].includes(field.type) && field.defaultValue !== undefined
        && (["checkbox", "radio"].includes(field.type)
            ? field.checked !== field.defaultChecked
            : field.value !== field.defaultValue);
    const busy = () => document.hidden || live.contains(document.activeElement) || !getSelection().isCollapsed
        || [...live.querySelectorAll("input, textarea")].some(changed);
    const refresh = async () => {
        if (busy()) {
            schedule();
            return;
        }
        try {
            const answer = await fetch(location.href, {credentials: "same-origin", redirect: "error"});
            const page = new DOMParser().parseFromString(await answer.text(), "text/html");
            const content = page.getElementById("content");
            if (answer.ok && content && !busy() && choosable(document, content)) {
                renewRows(content);
            } else if (answer.ok && content && !busy()) {
                const opened = [...document.querySelectorAll("#content details")].map((item) => item.open);
                document.getElementById("content").replaceWith(content);
                document.querySelectorAll("#content details").forEach((item, position) => {
                    item.open = opened[position] ?? item.open;
                });
                drawBars();
                keepCurrent();
                return;
            }
        } catch {
            // The platform is away for a moment; what the page shows says as of when it is.
        }
        schedule();
    };
    const schedule = () => setTimeout(refresh, seconds * 1000);
    schedule();
}

// Rows that may be chosen belong to Django's script, which is bound to them once. Their cells are renewed in place;
// other rows than before need the whole page anew.
const choosable = (...pages) => pages.some((page) => page.querySelector("#result_list .action-select"));

function renewRows(content) {
    const notice = content.querySelector("#notice");
    if (notice) {
        document.getElementById("notice")?.replaceWith(notice);
    }
    const rows = (page) => [...page.querySelectorAll("#result_list tbody tr")];
    const key = (row) => row.querySelector(".action-select")?.value;
    const [before, after] = [rows(document), rows(content)];
    if (before.length !== after.length || before.some((row, position) => key(row) !== key(after[position]))) {
        location.reload();
        return;
    }
    before.forEach((row, position) => {
        [...row.cells].forEach((cell, column) => {
            if (!cell.classList.contains("action-checkbox")) {
                cell.innerHTML = after[position].cells[column].innerHTML;
            }
        });
    });
    drawBars();
}

function drawBars() {
    for (const part of document.querySelectorAll(".bar [data-share]")) {
        part.style.flexGrow = part.dataset.share || "0";
    }
}

for (const field of document.querySelectorAll("select[data-submits]")) {
    field.addEventListener("change", () => field.form.requestSubmit());
}
// A button that opens all details it names, and closes them again.
for (const button of document.querySelectorAll("button[data-opens]")) {
    button.addEventListener("click", () => {
        const details = [...document.querySelectorAll(button.dataset.opens)];
        const open = !details.every((item) => item.open);
        details.forEach((item) => {
            item.open = open;
        });
    });
}
document.addEventListener("click", (event) => {
    for (const filter of document.querySelectorAll("details.filter[open]")) {
        filter.open = filter.contains(event.target);
    }
});
drawBars();
keepCurrent();
