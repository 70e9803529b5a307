# English. Sentence case, "you", no contractions in errors; plurals by selector.

## The frame of every page
site-name = Haina
brand = Haina
site-tagline = Publish, find and use models and datasets
site-about = Haina is a self-hosted community for open AI. The tools you know (hf, transformers, datasets, git) work once they point here.
skip-to-content = Skip to content
nav-main = Main
nav-account = Account
nav-menu = Menu
menu = Menu
footer = This site runs on Haina
language = Language
models = Models
datasets = Datasets
spaces = Spaces
model = Model
dataset = Dataset
space = Space
kernel = Kernel
bucket = Bucket
buckets = Buckets
new = New
sign-in = Sign in
sign-out = Sign out
sign-up = Sign up
to-home = Go to the home page

## Finding
search = Search
search-placeholder = Search models, datasets…
search-models = Search models
search-datasets = Search datasets
search-spaces = Search spaces
sort = Sort
sort-updated = Recently updated
sort-created = Newest
sort-downloads = Most downloads
sort-likes = Most likes
apply = Apply
active-filters = Active filters
remove = Remove filter
clear-all = Clear all
quoted = “{ $text }”
by-author = By { $name }
list-no-result = Nothing matches these conditions. Remove one and try again.
list-separator = {", "}
pages = Pages
first-page = First page
next-page = Next page
previous-page = Previous page
page-position = Page { $page } of { $pages }
none-models = There are no models yet.
none-datasets = There are no datasets yet.
none-spaces = There are no spaces yet.
newest-models = Latest models
newest-datasets = Latest datasets
newest-spaces = Latest spaces
all-models = All models
all-datasets = All datasets
all-spaces = All spaces
home-empty = Nothing has been published here yet. Two commands publish the first model.
publish-title = Publish
publish-intro = The first command signs you in, the second uploads a folder and creates the repository if it does not exist. Signing in needs an access token:
publish-token = create an access token

## Repositories
repository = Repository
public = Public
private = Private
tags = Tags
tags-more =
    { $n ->
        [one] { $n } more tag
       *[other] { $n } more tags
    }
overview = Overview
card-model = Model card
card-dataset = Dataset card
card-space = Space card
card-not-shown = This card is not shown here. Open its text to read it.
no-card-model = The author has not written a model card.
no-card-dataset = The author has not written a dataset card.
no-card-space = The author has not written a description.
use-model = Use this model
use-dataset = Use this dataset
use-space = Use this space
use-bucket = Use this bucket
use-private = This repository is private: downloading needs an access token.
copy = Copy
copied = Copied
licence = Licence
size = Size
task = Task
library = Library
base-model = Base model
training-data = Training data
languages = Languages
last-30-days = Last 30 days
last-update = Updated
revision = Revision
permanent-link = Permanent link to this revision
state-declared = Declared
state-unstated = Not stated
downloads =
    { $n ->
        [one] { $n } download
       *[other] { $n } downloads
    }
likes =
    { $n ->
        [one] { $n } like
       *[other] { $n } likes
    }
updated-at = Updated { $ago }

## Files and history
files = Files
all-files = All files
history = History
file-list = List of files
file-name = Name
file-facts = About this file
folder = Folder
files-total =
    { $n ->
        [one] { $n } file
       *[other] { $n } files
    }
last-commit = Last commit
time = When
breadcrumb = Breadcrumb
large-file-hint = This file is kept in large file storage
repo-empty = This repository has no files yet. Two commands upload the first.
repo-empty-visitor = This repository has no files yet.
folder-empty = This folder is empty.
bucket-empty = This bucket is empty.
changed = Changed
uploaded = Uploaded
raw = Raw
download = Download
lines =
    { $n ->
        [one] { $n } line
       *[other] { $n } lines
    }
bytes-exact =
    { $n ->
        [one] { $n } byte
       *[other] { $n } bytes
    }
blob-link = This is a symbolic link to:
blob-too-large = This file is larger than { $limit } and is not shown here. Download it to view it.
blob-binary = This is not a text file and is not shown here. Download it to use it.
commits =
    { $n ->
        [one] { $n } commit
       *[other] { $n } commits
    }
commits-none = There are no commits yet.
commit-body = Commit message
browse-at = Browse the files at this revision

## People
user = User
organization = Organization
organizations = Organizations
organizations-none = No organizations.
members = Members
members-none = No members.
since = Since { $date }
profile-none = Nothing public yet.
show-all = Show all
member-read = Reader
member-contributor = Contributor
member-write = Writer
member-admin = Administrator

## Discussions and pull requests
discussions = Discussions
discussion = Discussion
pull-request = Pull request
pull-requests = Pull requests
discussion-filter = Which discussions
discussions-open = { $n } open
discussions-closed = { $n } closed
discussions-all = All
discussions-only = Discussions only
discussions-none = There is nothing here yet.
discussion-new = New discussion
discussion-begin = Begin the discussion
discussion-title = Title
discussion-rename = Rename
discussion-close = Close
discussion-reopen = Open again
sign-in-to-talk = Sign in to take part
somebody-gone = somebody who is gone
comment = Comment
comment-hint = In Markdown.
comment-add = Comment
comment-edited = edited
comment-hidden = This comment has been hidden.
comment-empty = Nothing was written here.
comment-change = Change
comment-hide = Hide
comment-hide-hint = A hidden comment is shown to nobody, and stays hidden.
save = Save
state-draft = Draft
state-open = Open
state-closed = Closed
state-merged = Merged
event-draft = made this a draft
event-opened = opened this
event-closed = closed this
event-merged = merged this
event-renamed = renamed this:
event-committed = committed
pull-base = For
pull-reference = Reference
pull-merged-as = Merged as
pull-changes = Changed files
pull-merge = Merge
pull-publish = Ready for review
pull-conflicts = These files conflict with the branch
pull-conflicts-unknown = This cannot be merged here
pull-conflicts-hint = Bring the branch into this pull request with git, push it to its reference, then merge.
propose-title = Propose a change
propose-intro = This opens a pull request with what is in a folder:
problem-title = A title has 1 to 200 characters
problem-comment = A comment has some text, at most 64 KB
diff-added = new
diff-removed = deleted
diff-changed = changed
diff-large = A large file:
diff-binary = This is not text, so its lines are not shown.
diff-too-long = This is too long to be shown here. Fetch the pull request with git.
diff-mode = Only its mode differs, or it is empty.
diff-none = Nothing is changed yet.
diff-truncated = There are more files than are shown here. Fetch the pull request with git.
comments =
    { $n ->
        [one] { $n } comment
       *[other] { $n } comments
    }
comment-history =
    { $n ->
        [one] { $n } earlier version
       *[other] { $n } earlier versions
    }

## Likes and follows
likers-title = People who like this
likers-none = Nobody likes this yet.
like = Like
unlike = Take the like back
follow = Follow
unfollow = Stop following
followers-title = Followers
followers-none = Nobody follows yet.
following-title = Following
following-none = Follows nobody yet.
liked-title = Likes
liked-none = No likes yet.
followers =
    { $n ->
        [one] { $n } follower
       *[other] { $n } followers
    }
following = Follows { $n }
liked = Likes { $n }

## Collections
collections = Collections
collection = Collection
paper = Paper
search-collections = Search collections
sort-upvotes = Most votes
collections-none = There are no collections here yet.
collection-new = Create collection
collection-title = Title
collection-title-hint = At most 100 characters, different from your other collections.
collection-description = Description
collection-description-hint = One line of at most 150 characters.
collection-items = Items
collection-empty = There is nothing in this collection yet.
collection-delete = Delete collection
collection-delete-hint = What it gathers stays where it is.
collection-deleted = The collection was deleted.
items =
    { $n ->
        [one] { $n } item
       *[other] { $n } items
    }
upvotes =
    { $n ->
        [one] { $n } vote
       *[other] { $n } votes
    }
upvote = Vote for it
upvote-withdraw = Take the vote back
edit = Edit
edit-end = Stop editing
saved = Saved.
settings = Settings
note = Note
note-edit = Edit note
item-add = Add an item
item-id = Name
item-id-hint = owner/name of a repository, the arXiv number of a paper, or owner/address of a collection.
move-up = Move up
move-up-named = Move { $name } up
move-down = Move down
move-down-named = Move { $name } down
remove-item = Take out
remove-named = Take { $name } out
problem-collection-taken = You already have a collection with this title. Choose another
problem-item-missing = There is nothing of this kind and name here. Check both

## Webhooks
webhooks = Webhooks
webhook = Webhook
webhooks-intro = A webhook tells another server what happens to repositories: each event is sent to its address as JSON.
webhooks-yours = Your webhooks
webhooks-none = There are no webhooks yet.
webhook-new = Create webhook
webhook-url = Address
webhook-url-hint = Begins with https:// or http:// and must be on the public Internet, unless the administrator allows more.
webhook-watched = What it watches
webhook-watched-hint = One a line: user, org, model, dataset, space or bucket, then the name.
webhook-domains = What it is told of
webhook-repo = Repositories and their content
webhook-discussion = Discussions and pull requests
webhook-secret = Secret
webhook-secret-hint = Sent along and used to sign, so that your server knows who is calling.
webhook-on = On
webhook-off = Switched off
webhook-failing = On, but nothing has come through lately
webhook-off-failing = Switched off: nothing came through for days
webhook-off-overflow = Switched off: too much was waiting to be sent
webhook-enable = Switch on
webhook-disable = Switch off
webhook-delete = Delete
webhook-deleted = The webhook was deleted.
problem-watched = Write one thing a line: user, org, model, dataset, space or bucket, then its name
deliveries = Deliveries
deliveries-none = Nothing has been sent yet. Deliveries are kept for 14 days.
delivery = Delivery
delivery-event = Event
delivery-state = State
delivery-status = Status
delivery-attempts = Attempts
delivery-duration = Duration
delivery-next = Next attempt
delivery-error = Problem
delivery-answer = Answer
delivery-body = What was sent
delivery-replay = Send again
delivery-delivered = Delivered
delivery-failed = Given up
delivery-dropped = Not sent
delivery-queued = Waiting

## Forms
error-prefix = {"Error: "}
form-problems =
    { $n ->
        [one] There is { $n } thing to correct
       *[other] There are { $n } things to correct
    }
optional = (optional)
name-or-email = User name or e-mail
user-name = User name
full-name = Display name
email = E-mail
email-hint = Used to sign in and for notifications, never shown.
password = Password
password-rule = At least 8 characters.
name-rule = Letters, digits, - _ . and at most 96 characters; not - or . at either end, no -- or .. inside.
no-account-yet = No account yet?
have-account = Have an account?
signup-invite-only = Signing up here needs an invitation.
signup-invite-how = Ask an administrator for an invitation link and open it to sign up.
signup-closed = Signing up is closed here. Ask an administrator for an account.
signed-out-already = You are not signed in.
setup-title = Create the administrator
setup-intro = Welcome to Haina. The first account is the administrator. This link works once.
setup-ended = This set-up link was used or has expired. Sign in if there is an administrator; otherwise restart the server to get a new link.
problem-sign-in = The name or the password is wrong. Check both and try again.
problem-name-taken = This user name or e-mail address is taken. Choose another
problem-name-rule = The name does not follow the rule. Change it as the rule says
problem-name-reserved = This name is reserved. Choose another
problem-password-short = The password needs at least 8 characters
problem-invite = The invitation is wrong, used or expired. Ask for a new one
problem-repo-taken = { $owner } already has a repository named { $name }. Choose another name
problem-token-name = Enter a name of 1 to 100 characters for the token
problem-scopes = Write one namespace or repository a line, with read, write or admin after it

## Access tokens
tokens = Access tokens
tokens-intro = Access tokens stand in for your password in hf, git and programs. Make one for each machine and revoke it when it is no longer needed.
tokens-yours = Your tokens
tokens-none = There are no access tokens yet.
token-new = New token
token-create = Create token
token-created = Token created
token-once = Copy it now: it is shown this once.
token-next = Sign in on your machine:
token-revoked = The token was revoked.
token-name = Name
token-name-hint = For example “lab server”.
token-role = Permission
role-read = Read
role-read-hint = Reads every repository you may see.
role-write = Write
role-write-hint = Does all that you may do, creating and uploading included.
role-fine = Fine-grained
role-fine-hint = Works only within the scopes listed below.
scopes = Scopes
scopes-only-fine = (fine-grained tokens only)
scopes-namespaces = Whole namespaces
scope-none = nothing
token-days = Ends
token-never-ends = Never
token-after-days = After { $days } days
token-ends = Ends { $date }
scopes-hint = One namespace or repository a line, then read, write or admin; read if you leave it out.
scope-read = read
scope-write = write
scope-admin = administer
created = Created
last-used = Last used
never-used = Never
revoke = Revoke
revoke-named = Revoke token { $name }

## Keys for SSH
usage = Storage
usage-intro = What there is, and what there may be at most. What is in several repositories counts in each.
usage-bytes = Files
usage-repos = Repositories and buckets
usage-of = { $used } of { $most }
usage-free = { $used }, without a limit
usage-parts = { $git } of history and { $large } of large files, earlier versions included.
usage-full = There is no room left. Delete what is no longer needed, or ask an administrator of this site for more.
organizations-yours = Your organizations
invitations = Open invitations
invitation = Invitation
invitation-to = Invitation to join { $name }
invited-by = Invited by { $name }
invitation-ends = ends on { $date }
invitation-made = The invitation is ready
invitation-once = Send this link to whom it is for: it is shown this once. Whoever was invited by name also finds the invitation in their settings.
invitation-revoke-named = Take back the invitation of { $name }
accept = Accept
decline = Decline
invite = Invite
invitee = User name or e-mail address
invitee-hint = Somebody without an account needs one before they can accept.
member-role = Role
member-remove-named = Remove { $name }
org-leave = Leave the organization
org-leave-hint = You will no longer see its private repositories. Coming back takes a new invitation.
problem-invitee = There is no user of this name
problem-member = This user is a member already
problem-last-admin = The organization would be without an administrator. Make somebody else one first.
groups = Resource groups
groups-intro = What is in a group, members see and change by their role in the group alone; members without one do not see what is private in it. Administrators of the organization reach everything.
groups-none = There are no resource groups that you belong to.
group-new = New group
group-description = Description
group-user = Member
group-add-user = Give a role
group-repo = Repository or bucket
group-add-repo = Put into the group
group-delete = Delete the group
problem-group-taken = There is a group of this name already
problem-group-full = Take the repositories out of the group first: without it, all members would see them
problem-no-member = This is not a member of the organization
problem-no-repo = The organization has no such repository or bucket
services = Service accounts
service = Service account
services-intro = Accounts of the organization for machines. Nobody signs in to one; you make its tokens here.
services-none = There are no service accounts.
service-new = New service account
service-delete = Delete the account and its tokens
activity = Activity
activity-none = Nothing has happened yet that you may see.
activity-created = created
activity-deleted = deleted
activity-moved = moved
activity-settings = changed settings
activity-files = changed files
activity-discussion = opened a discussion
activity-merged = merged a pull request
activity-member = set a member’s role
activity-left = ended a membership
activity-invitation = invitation
activity-group = changed a resource group
default-visibility = New repositories
default-visibility-hint = For those whose maker does not say, as with hf upload. What is there already stays as it is.
keys = SSH keys
keys-intro = With a public key of yours, git clones and pushes over SSH without a password or token. Add one for each machine and remove it when it is no longer needed.
keys-yours = Your keys
keys-none = There are no SSH keys yet.
keys-clone = Git over SSH, once a key is here:
keys-off = SSH is turned off on this hub; its operator can turn it on. Keys added here work from then on.
key-new = New key
key-add = Add key
key-added = The key was added.
key-removed = The key was removed. It no longer works.
key-added-at = Added
key-fingerprint = Fingerprint
key-public = Public key
key-public-hint = One line of a file that ends in .pub, for example of
key-name-hint = The comment of the key if you leave this empty.
key-remove = Remove
key-remove-named = Remove key { $name }
problem-key-taken = This key is in use on this hub already. Add another

## Signing in machines and applications
device-title = Sign in a machine
device-code = Code
device-code-hint = The machine shows it, for example BCDF-GHJK.
device-asks = { $name } wants to sign in as you
device-compare = Compare this code with the one on your machine:
device-warning = Approve only what you started yourself a moment ago. Nobody from this site will ever send you a code or ask you for one.
device-approved = The machine is signed in. You can close this page.
device-denied = The machine was not let in.
device-manage = See and revoke what has access
problem-device-code = No machine is waiting with this code. Check it, or start again on the machine
consent-title = Allow an application
consent-asks = { $name } asks for access to your account
consent-by = Registered by
consent-by-operator = Registered by the operator of this site.
consent-as = You are signed in as { $name }.
consent-destination = Afterwards you go back to { $place }.
approve = Allow
deny = Do not allow
continue = Continue
may-intro = It would be able to:
may-openid = know who you are
may-profile = see your name, picture and organizations
may-email = see your e-mail address
may-read = read every repository you may see
may-write = create repositories and write to those you may write to
may-manage = delete repositories and change their settings
may-offline = keep its access while you are away
may-less = Reading only
may-less-hint = It may read, but change nothing.
grants = Signed-in machines and applications
grants-none = No machine or application has access.
grant-revoked = Its access has ended.
grant-revoke-named = Revoke access of { $name }
apps = Your applications
apps-intro = An application can sign people in with their account here, by OAuth 2 and OpenID Connect. Its settings are found at
apps-yours = Registered applications
apps-none = You have not registered any.
app-new = Register an application
app-create = Register
app-created = Application registered
app-client-id = Its id (client_id):
app-secret-once = Its secret (client_secret). Copy it now: it is shown this once.
app-removed = The application was removed, and everything issued to it has ended.
app-name-hint = People see it when they are asked.
app-addresses = Addresses to answer at
app-addresses-hint = One redirect URI a line, compared to the letter. https://, or http:// on the same machine.
app-kind = Kind
app-public = Public
app-public-hint = Runs in browsers or on people’s machines and cannot keep a secret. PKCE is required.
app-confidential = Confidential
app-confidential-hint = Runs on a server and gets a secret.
app-device = Device flow
app-device-hint = Also signs in machines without a browser, by a code.
app-device-short = Device flow
app-new-secret = New secret
app-remove-named = Remove application { $name }
app-remove = Remove
problem-app-name = Enter a name of 1 to 100 characters for the application
problem-app-address = Enter at least one address, or choose the device flow

## Signing in with other accounts
sign-in-with = Sign in with { $name }
other-ways = Other ways to sign in
directory-hint = The name and password of your { $name } account.
problem-provider = Signing in with that account did not succeed. Begin again
identity-title = Finish signing in
identity-who = { $provider } knows you as { $name }. This is your first time here.
identity-is-yours = Is { $name } your account here?
identity-link-hint = From then on, whoever signs in with that account comes into this one.
identity-link = Yes, link them
identity-have = Already have an account here? Sign in to it first, then link the two.
identity-new = Make a new account
identity-invite = Invitation
ways = Ways to sign in
ways-intro = Accounts elsewhere that let you in here, besides your password.
ways-yours = Linked accounts
ways-none = No other account is linked.
ways-add = Link another account
way-provider = Where
way-label = Known there as
way-linked = The account is linked.
way-removed = The account is no longer linked.
way-remove-named = Remove the link to { $name }

## Creating a repository
new-repository = Create repository
repo-type = Type
repo-name = Repository name
owner = Owner
visibility = Visibility
licence-unsure = Not decided yet
licence-hint = Without a licence, others do not know whether they may use it. You can change it in the card later.
public-hint = Anyone may see and download it.
private-hint = Only the owner and members of the organization see it.

## Managing a repository
settings-saved = The settings were saved.
gating = Access to the files
gating-open = Open
gating-open-hint = Everyone who sees the repository may read its files.
gating-auto = On request, granted at once
gating-auto-hint = Visitors sign in and ask; whoever asks is let in.
gating-manual = On request, decided by you
gating-manual-hint = Visitors sign in and ask; you accept or reject each request.
requests = Access requests
danger-zone = Danger zone
move-title = Rename or transfer
move-hint = The old address goes on working until another repository takes its name.
delete-title = Delete this repository
delete-hint = Its files and history are deleted. This cannot be undone.
delete-confirm = To confirm, type its full name:
problem-confirm = To delete it, type { $name }

## Gated repositories
access = Access
access-ask = Ask for access
access-auto = Whoever asks is let in at once.
access-manual = The owners decide about each request.
access-shares = The owners will see your user name, display name, e-mail address and what you enter here.
access-sign-in = The files of this repository are given on request. Sign in to ask for access.
access-free = You have access: you belong to this repository, or it is open to everyone.
access-accepted = You have access to the files of this repository.
access-pending = You have asked for access. The owners have not decided yet.
access-rejected = Your request was rejected by the owners.
access-withdraw = Take the request back
gate-own = The files of this repository are given on request. You have access.
gate-outside = The files of this repository are given on request.
gate-pending = You have asked for access to these files. The owners have not decided yet.
gate-accepted = You were given access to these files.
gate-rejected = Your request for access to these files was rejected.
requests-pending = Waiting
requests-accepted = Accepted
requests-rejected = Rejected
requests-none = There are no such requests.
requests-report = Download as a table (CSV)
requests-accept = Accept
requests-accept-named = Accept { $name }
requests-reject = Reject
requests-reject-named = Reject { $name }
requests-cancel = Back to waiting
requests-cancel-named = Move { $name } back to waiting
requests-reason = Reason for rejecting
requests-grant = Give access
requests-grant-hint = Lets a user in without a request.
problem-no-user = There is no user { $name }. Check the name
problem-has-access = { $name } has access already

## When a page cannot be shown
error-not-found = Page not found
error-not-found-help = This page does not exist, or you may not see it. If someone sent you the link, sign in first.
error-repo-not-found = Repository not found
error-repo-not-found-help = This repository does not exist, or you may not see it. If someone sent you the link, sign in first.
error-revision-not-found = Revision not found
error-revision-not-found-help = The repository has no such branch, tag or commit. It may have been deleted or renamed.
error-entry-not-found = File not found
error-entry-not-found-help = This revision has no such file or folder. It may have been moved or deleted: look in the list of files.
error-bad-credentials = Wrong credentials
error-bad-credentials-help = The credentials are wrong or have expired. Sign in again.
error-unauthenticated = Sign in first
error-unauthenticated-help = This needs you to be signed in.
error-forbidden = Not allowed
error-forbidden-help = Your account may not do this. Ask an administrator of the repository or organization.
error-form-expired = This form has expired
error-form-expired-help = The form may have been open for too long, or you signed in or out meanwhile. Go back, reload the page and send it again.
error-gated-repo = Access on request
error-gated-repo-help = The content of this repository is given on request. Ask its owner.
error-disabled = Taken down
error-disabled-help = An administrator has taken this content down. To object, write to the administrators of this site.
error-conflict = It exists already
error-conflict-help = Something of this name exists already. Choose another name.
error-stale = It has changed meanwhile
error-stale-help = Someone committed a new version meanwhile. Reload the page and try again.
error-invalid = This request is not valid
error-invalid-help = The address or a value in it is not valid. Check it and try again.
error-invalid-path = This path is not valid
error-invalid-path-help = The path is not valid. Open the file from the list of files.
error-too-large = Too large
error-too-large-help = What was sent is larger than the limit. Send less, or upload large files with hf or git.
error-range-not-satisfiable = Range not available
error-range-not-satisfiable-help = The file does not have the requested part. Download it again.
error-rate-limited = Too many requests
error-rate-limited-help = There were too many requests in a short time. Wait a moment and try again.
error-wait =
    { $n ->
        [one] You can go on in { $n } second.
       *[other] You can go on in { $n } seconds.
    }
error-unsupported = Not offered here
error-unsupported-help = This site does not offer this.
error-storage-full = No storage left
error-storage-full-help = The server has no storage left. Tell an administrator and quote { $id }.
error-unavailable = Not available just now
error-unavailable-help = The server cannot answer just now. Try again later; quote { $id } when reporting.
error-internal = Something failed on our side
error-internal-help = The server failed. Try again later; quote { $id } when reporting.

## Time
ago-now = just now
ago-minutes =
    { $n ->
        [one] { $n } minute ago
       *[other] { $n } minutes ago
    }
ago-hours =
    { $n ->
        [one] { $n } hour ago
       *[other] { $n } hours ago
    }
ago-yesterday = yesterday
ago-days =
    { $n ->
        [one] { $n } day ago
       *[other] { $n } days ago
    }

## Tasks, by the names that metadata uses
task-text-generation = Text generation
task-text-classification = Text classification
task-token-classification = Token classification
task-fill-mask = Fill mask
task-question-answering = Question answering
task-table-question-answering = Table question answering
task-document-question-answering = Document question answering
task-visual-question-answering = Visual question answering
task-translation = Translation
task-summarization = Summarization
task-feature-extraction = Feature extraction
task-sentence-similarity = Sentence similarity
task-text-ranking = Text ranking
task-zero-shot-classification = Zero-shot classification
task-text-to-image = Text to image
task-image-to-image = Image to image
task-text-to-video = Text to video
task-image-to-video = Image to video
task-image-to-text = Image to text
task-image-text-to-text = Image and text to text
task-any-to-any = Any to any
task-image-classification = Image classification
task-zero-shot-image-classification = Zero-shot image classification
task-object-detection = Object detection
task-image-segmentation = Image segmentation
task-depth-estimation = Depth estimation
task-video-classification = Video classification
task-automatic-speech-recognition = Speech recognition
task-text-to-speech = Speech synthesis
task-text-to-audio = Text to audio
task-audio-classification = Audio classification
task-audio-to-audio = Audio to audio
task-voice-activity-detection = Voice activity detection
task-tabular-classification = Tabular classification
task-tabular-regression = Tabular regression
task-time-series-forecasting = Time series forecasting
task-reinforcement-learning = Reinforcement learning
task-robotics = Robotics

## Natural languages, by their codes
language-zh = Chinese
language-en = English
language-yue = Cantonese
language-ja = Japanese
language-ko = Korean
language-fr = French
language-de = German
language-es = Spanish
language-pt = Portuguese
language-it = Italian
language-ru = Russian
language-ar = Arabic
language-hi = Hindi
language-vi = Vietnamese
language-th = Thai
language-id = Indonesian
language-ms = Malay
language-bo = Tibetan
language-ug = Uyghur
language-mn = Mongolian
language-multilingual = Multilingual

## The audit log
audit = Audit log
audit-of-repository = What happened to this repository, as the ledger has it. Nobody can change it.
audit-of-organization = What happened in this organization and to what it owns, as the ledger has it. Nobody can change it.
audit-of-account = What happened to your account and to what you own, as the ledger has it. Nobody can change it.
audit-of-hub = Everything that happened here, as the ledger has it. Nobody can change it.
audit-all = The audit log of the whole hub
audit-events = Events
audit-none = No such events.
audit-gone = Gone
audit-hub-itself = The operator or the hub itself
audit-data = Details
audit-narrow = Narrow down
audit-action = What happened
audit-any = Anything
audit-actor = By whom
audit-actor-hint = A user name
audit-target = To what
audit-target-hint = name/repository, datasets/name/repository, or a user or organization
audit-since = From
audit-until = Before
problem-date = Write a date such as 2026-01-31.
did-all-repo = Repositories: everything
did-all-ref = Branches and tags: everything
did-all-lfs = Large files: everything
did-all-access = Access to gated content: everything
did-all-bucket = Buckets: everything
did-all-discussion = Discussions: everything
did-all-collection = Collections: everything
did-all-org = Organizations: everything
did-all-token = Access tokens: everything
did-all-key = SSH keys: everything
did-all-webhook = Webhooks: everything
did-all-oauth = Applications: everything
did-all-identity = Ways to sign in: everything
did-all-user = Accounts: everything
did-repo-create = Made a repository
did-repo-delete = Deleted a repository
did-repo-move = Moved a repository
did-repo-settings = Changed settings of a repository
did-repo-commit = Committed
did-repo-push = Pushed
did-repo-like = Liked a repository
did-repo-unlike = Took back a like
did-ref-create = Made a branch or a tag
did-ref-move = Moved a branch
did-ref-delete = Deleted a branch or a tag
did-ref-squash = Squashed history
did-ref-rewrite = Rewrote history
did-lfs-delete = Deleted large files
did-lfs-lock = Locked a file
did-lfs-unlock = Unlocked a file
did-access-ask = Asked for access
did-access-grant = Gave access
did-access-accept = Accepted a request for access
did-access-reject = Rejected a request for access
did-access-cancel = Put a decision about access off
did-access-withdraw = Withdrew a request for access
did-bucket-create = Made a bucket
did-bucket-delete = Deleted a bucket
did-bucket-move = Moved a bucket
did-bucket-settings = Changed settings of a bucket
did-bucket-files = Changed files of a bucket
did-discussion-create = Began a discussion
did-discussion-comment = Commented
did-discussion-edit = Edited a comment
did-discussion-hide = Hid a comment
did-discussion-title = Renamed a discussion
did-discussion-status = Opened or closed a discussion
did-discussion-merge = Merged a pull request
did-attachment-create = Uploaded a picture
did-collection-create = Made a collection
did-collection-update = Changed a collection
did-collection-delete = Deleted a collection
did-collection-upvote = Voted for a collection
did-collection-unvote = Took back a vote for a collection
did-org-create = Made an organization
did-org-member = Changed a membership
did-org-leave = Ended a membership
did-token-create = Made an access token
did-token-revoke = Revoked an access token
did-key-add = Added an SSH key
did-key-remove = Removed an SSH key
did-webhook-create = Made a webhook
did-webhook-update = Changed a webhook
did-webhook-delete = Deleted a webhook
did-webhook-enable = Switched a webhook on
did-webhook-disable = Switched a webhook off
did-oauth-consent = Allowed an application
did-oauth-device = Let a machine sign in
did-oauth-grant = Gave an application access
did-oauth-revoke = Ended an application's access
did-publisher-add = Let jobs publish
did-publisher-token = Gave a job a token
did-identity-link = Linked a way to sign in
did-identity-unlink = Removed a way to sign in
did-provider-set = Set a provider of sign-in
did-provider-remove = Removed a provider of sign-in
did-user-create = Made an account
did-user-password = Set a new password
did-user-follow = Followed somebody
did-user-unfollow = Stopped following somebody
did-setting-change = Changed a setting of the hub
did-content-refuted = Found a wrong digest

## Facets of lists
facets = Narrow down
facet-pipeline_tag = Tasks
facet-task_categories = Tasks
facet-library = Libraries
facet-language = Languages
facet-license = Licences
facet-dataset = Trained on
facet-base_model = Made from
facet-modality = Modalities
facet-size_categories = Sizes
facet-format = Formats
facet-other = Other tags
facets-counted =
    { $n ->
        [one] Counted among the first repository of this list; all are being counted.
       *[other] Counted among the first { $n } repositories of this list; all are being counted.
    }
