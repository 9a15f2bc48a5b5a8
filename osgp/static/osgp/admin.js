"use strict";

// A page that tells what happens now keeps itself current: the part marked data-live="seconds" is fetched
// again, as long as somebody looks at it and is not in the middle of reading or choosing something.
function keepCurrent() {
    const live = document.querySelector("[data-live]");
    if (!live) {
        return;
    }
    const busy = () => document.hidden || live.contains(document.activeElement) || !getSelection().isCollapsed;
    const refresh = async () => {
        if (busy()) {
            schedule();
            return;
        }
        try {
            const answer = await fetch(location.href, {credentials: "same-origin", redirect: "error"});
            const page = new DOMParser().parseFromString(await answer.text(), "text/html");
            const content = page.getElementById("content");
            if (answer.ok && content && !busy()) {
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
    const schedule = () => setTimeout(refresh, Number(live.dataset.live) * 1000);
    schedule();
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
